"""Every limit that ships has a test that crosses it: a new one without an entry here fails."""

from __future__ import annotations

import ast
from functools import cache
from pathlib import Path
from typing import Final

import pytest

from aura_local.settings import CredentialSettings, LimitSettings

TESTS: Final = Path(__file__).parents[1]

SETTINGS: Final = {
    "archive_bytes": "server/test_archive_routes.py::test_an_archive_over_the_limit_is_refused",
    "upload_bytes": "server/test_edge_limits.py::test_documents_up_to_the_limit",
    "json_body_bytes": "server/test_edge_limits.py::test_json_bodies_up_to_the_limit",
    "body_grace_s": "server/test_limits.py::test_slow_bodies_are_given_up",
    "body_bytes_per_s": "server/test_limits.py::test_a_fast_enough_body_may_take_longer_than_the_grace",
    "socket_frame_bytes": (
        "server/test_voice_bad_input.py::test_a_frame_at_the_limit_passes_and_one_beyond_ends_the_session"
    ),
    "messages_per_s": "server/test_edge_limits.py::test_messages_up_to_the_rate",
    "audio_pace": "server/test_edge_limits.py::test_audio_up_to_the_pace",
    "audio_head_start_s": "server/test_edge_limits.py::test_audio_at_the_pace_that_is_set",
    "start_deadline_s": "server/test_voice_bad_input.py::test_no_start_in_time_is_4401",
    "header_deadline_s": "server/test_http_protocol.py::test_unfinished_headers_end_at_the_deadline",
    "header_bytes": "server/test_limits.py::test_heads_up_to_the_limit",
    "send_deadline_s": (
        "server/test_voice_link.py::test_a_client_that_does_not_read_holds_up_nobody_and_is_dropped"
    ),
    "tcp_user_timeout_s": (
        "server/test_stalled_reader.py::test_a_stalled_reader_is_cut_off_and_its_answer_ends"
    ),
    "input_stall_ms": (
        "server/test_voice_bad_input.py::test_a_client_that_stops_sending_in_mid_utterance_is_noticed_once"
    ),
    "idle_s": "server/test_voice_bad_input.py::test_an_idle_connection_is_closed_and_may_resume",
    "session_s": "server/test_voice_bad_input.py::test_a_session_has_a_longest_duration",
    "resume_s": "server/test_session_limits.py::test_a_dropped_session_waits_as_long_as_it_may_and_no_longer",
    "sessions": "server/test_session_limits.py::test_sessions_up_to_each_limit",
    "sessions_per_tenant": "server/test_session_limits.py::test_sessions_up_to_each_limit",
    "sessions_per_user": "server/test_session_limits.py::test_sessions_up_to_each_limit",
    "sessions_per_address": "server/test_session_limits.py::test_sessions_up_to_each_limit",
    "anonymous_requests_per_minute": (
        "server/test_request_pace.py::test_requests_without_a_credential_up_to_the_limit"
    ),
    "failed_logins_per_minute": (
        "server/test_edge_limits.py::test_refused_credentials_up_to_the_limit_of_the_product"
    ),
    "answer_tokens": "adapters/test_llama_scheduler.py::test_an_answer_ends_at_its_limit",
    "queue_wait_s": "test_lanes.py::test_a_person_does_not_wait_for_an_engine_without_end",
    "shutdown_s": "server/test_shutdown.py::test_whatever_hangs_the_process_ends_at_the_limit",
    "open_tenants": "storage/test_leases.py::test_the_least_recently_used_makes_room",
    "question_characters": "server/test_edge_limits.py::test_questions_up_to_the_limit",
    "speech_characters": "adapters/test_piper_voice.py::test_a_text_is_as_long_as_the_option_says",
    "recording_s": "commands/test_conversing.py::test_recordings_up_to_the_limit",
    "disk_reserve_bytes": (
        "server/test_document_routes.py::test_a_full_disk_refuses_uploads_and_goes_on_reading"
    ),
}
"""By the name of the setting."""

CREDENTIALS: Final = {
    "access_token_s": "accounts/test_lifetimes.py::test_an_access_token",
    "visitor_token_s": "accounts/test_lifetimes.py::test_a_visitors_token",
    "refresh_token_s": "accounts/test_lifetimes.py::test_a_refresh_token",
    "socket_ticket_s": "accounts/test_lifetimes.py::test_a_ticket",
    "setup_link_s": "accounts/test_lifetimes.py::test_a_link",
    "invitation_link_s": "accounts/test_lifetimes.py::test_a_link",
    "reset_link_s": "accounts/test_lifetimes.py::test_a_link",
    "provider_sign_in_s": "accounts/test_lifetimes.py::test_a_sign_in_at_the_identity_provider",
    "key_overlap_s": "accounts/test_lifetimes.py::test_the_overlap_of_rotated_keys",
    "failed_sign_ins": (
        "accounts/test_lifetimes.py::test_failed_sign_ins_up_to_the_limit_and_within_the_window"
    ),
    "failed_sign_ins_window_s": (
        "accounts/test_lifetimes.py::test_failed_sign_ins_up_to_the_limit_and_within_the_window"
    ),
}
"""The same of credentials."""

FIXED: Final = {
    "pings and fragments": (
        "server/test_stalled_reader.py::test_frames_that_are_no_messages_have_a_rate_as_well"
    ),
    "audio file decoded": "audio/test_decode.py::test_silence_bombs_stop_at_the_limit",
    "parser: wall": "test_isolation.py::test_a_hanging_worker_meets_its_deadline",
    "parser: CPU": "test_isolation.py::test_a_spinning_worker_runs_out_of_computing_time",
    "parser: memory and text": "test_isolation.py::test_memory_and_output_are_capped",
    "zip members, PDF pages": "retrieval/test_parsing.py::test_too_many_members_pages_and_too_much_text",
    "zip ratio": "retrieval/test_parsing.py::test_a_zip_bomb_is_refused_before_it_expands",
    "answer tokens": "contract/test_language_model.py::test_the_limit_holds",
    "waiting for a password to be hashed": (
        "accounts/test_passwords.py::test_a_crowd_is_refused_and_nobody_else_works_meanwhile"
    ),
    "document event streams": (
        "server/test_document_events.py::test_a_tenant_has_so_many_streams_and_a_client_that_leaves_makes_room"
    ),
    "secrets": "storage/test_tenant_secrets.py::test_values",
}
"""Limits that are no settings."""


@cache
def names_in(file: str) -> frozenset[str]:
    tree = ast.parse((TESTS / file).read_text(encoding="utf-8"))
    functions = (ast.FunctionDef, ast.AsyncFunctionDef)
    return frozenset(node.name for node in ast.walk(tree) if isinstance(node, functions))


def test_every_setting_that_limits_has_a_test() -> None:
    assert set(SETTINGS) == set(LimitSettings.model_fields)
    assert set(CREDENTIALS) == set(CredentialSettings.model_fields)


@pytest.mark.parametrize("test", sorted({*SETTINGS.values(), *CREDENTIALS.values(), *FIXED.values()}))
def test_that_test_exists(test: str) -> None:
    file, _, name = test.partition("::")
    assert name in names_in(file)
