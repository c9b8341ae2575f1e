// What can go wrong, in plain words: one sentence on what it is, one on what to do.

/** An error with words for a person. `code` is the server's, or one of the page's own below. */
export class Problem extends Error {
  constructor(code, message = "", retryable = false) {
    super(WORDS[code] ?? (message || WORDS.internal_error));
    this.code = code;
    this.retryable = retryable;
  }
}

const WORDS = {
  signed_out: "You are not signed in.",
  sign_in_over: "Your sign-in has ended. Sign in again to go on.",
  access_withdrawn: "Your access was withdrawn, so this conversation has ended. Ask whoever invited you, or sign in again.",
  tenant_suspended: "Your organisation has been suspended; its documents are kept. Ask whoever runs this server.",
  wrong_password: "This e-mail address and password do not belong together. Check both, then try again.",
  link_void: "This link does not work any more: it was used, has expired, or a newer one was made. Ask for a new one.",
  authentication_failed: "The server does not know this key. It may be from an earlier start: open the newest link, or enter another key.",
  microphone_missing: "No microphone was found. Plug one in, or type your question.",
  microphone_denied: "The browser may not use the microphone. Allow it for this page in the address bar, or type your question.",
  microphone_busy: "Another program is using the microphone. Close it there, or type your question.",
  microphone_lost: "The microphone was unplugged. Plug it in and press the button again.",
  insecure_page: "Browsers allow the microphone only on secure pages. Open this page with https, or on the server's own machine. Typing works here too.",
  audio_unsupported: "This browser cannot record and play here. A current Chrome, Edge, Firefox or Safari can. Typing works here too.",
  connection_lost: "The connection to the server was lost. Press the button to begin again.",
  server_unreachable: "The server does not answer. Check that it is running, then try again.",
  too_many_sessions: "All places for talking are taken at the moment. Try again in a minute, or type your question.",
  lane_busy: "The server is busy. Try again in a moment.",
  busy: "The server is busy. Try again in a moment.",
  replaced: "This conversation goes on in another tab.",
  internal_error: "Something went wrong on the server. Its log says where; try again.",
};

const MICROPHONE_ERRORS = {
  NotAllowedError: "microphone_denied",
  SecurityError: "insecure_page",
  NotFoundError: "microphone_missing",
  OverconstrainedError: "microphone_missing",
  NotReadableError: "microphone_busy",
  AbortError: "microphone_busy",
};

const NOT_SIGNED_IN = ["signed_out", "sign_in_over", "authentication_failed", "access_withdrawn", "tenant_suspended"];

/** Whether signing in again, or as somebody else, is what helps. */
export function needsSignIn({ code }) {
  return NOT_SIGNED_IN.includes(code);
}

/** The problem behind an exception of getUserMedia. */
export function microphoneProblem(error) {
  return new Problem(MICROPHONE_ERRORS[error.name] ?? "audio_unsupported");
}

/** The problem in the server's `{code, message, retryable}`. */
export function serverProblem({ code, message, retryable }) {
  return new Problem(code, message, retryable);
}

/** Any exception as a problem; fetch throws TypeError when no answer came. */
export function asProblem(error) {
  if (error instanceof Problem) return error;
  return new Problem(error instanceof TypeError ? "server_unreachable" : "internal_error");
}
