# Shell functions shared by scripts/start, scripts/test and scripts/check: one virtual environment, made
# once, brought up to date when pyproject.toml changes. Sourced by bash; needs no package of ours.

root="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)"

say() { printf '%s\n' "$*"; }
stop() { printf 'error: %s\n' "$*" >&2; exit 1; }

# The newest-enough Python: $PYTHON, else python3, else a versioned name.
find_python() {
    local candidate
    for candidate in "${PYTHON:-}" python3 python3.13 python3.12 python3.11; do
        if [ -n "$candidate" ] && command -v "$candidate" >/dev/null 2>&1 &&
            "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
            command -v "$candidate"
            return
        fi
    done
    stop "Python 3.11 or newer is needed; $(python3 --version 2>/dev/null || printf 'no python3') was found.
       Install it (for example: sudo apt-get install python3 python3-venv), or set PYTHON to where it is."
}

# make_environment FOLDER: a virtual environment with pip; made anew only where it does not work.
make_environment() {
    local folder="$1" python
    if "$folder/bin/python" -m pip --version >/dev/null 2>&1; then return; fi
    python="$(find_python)" || exit 1
    say "Making $(basename "$folder") with $("$python" --version)."
    "$python" -m venv --clear "$folder" ||
        stop "The virtual environment could not be made; on Debian: sudo apt-get install python3-venv"
}

# install_extras FOLDER EXTRA...: AURA Local itself, editable, with some of its extras.
install_extras() {
    local folder="$1" python="$1/bin/python" stamp="$1/.aura-installed"
    shift
    if "$python" "$root/scripts/requirements.py" --installed "$stamp" "$@"; then return; fi
    build_llama "$folder"
    say "Installing AURA Local with: $*"
    local plain=() alone=()
    mapfile -t plain < <("$python" "$root/scripts/requirements.py" "$@")
    mapfile -t alone < <("$python" "$root/scripts/requirements.py" --without-dependencies "$@")
    pip_install "$python" -e "$root" "${plain[@]}"
    if [ "${#alone[@]}" -gt 0 ]; then pip_install "$python" --no-deps "${alone[@]}"; fi
    "$python" "$root/scripts/requirements.py" --note-installed "$stamp" "$@"
}

# pip_install PYTHON ARGUMENT...: with the time that has passed; what pip says goes to a file.
pip_install() {
    local python="$1" log
    shift
    log="$(dirname "$(dirname "$python")")/install.log"
    with_clock "$log" "$python" -m pip install --disable-pip-version-check --no-input --progress-bar off "$@" ||
        stop "pip could not install the packages; the end of $log is above.
       A package registry must be reachable once; afterwards AURA Local needs no network.
       Run this script again: it goes on where it stopped."
}

# llama.cpp is compiled on this machine, for this machine's processor; only its library is wanted.
build_llama() {
    local folder="$1" python="$1/bin/python" log="$1/llama-build.log" requirement
    requirement="$("$python" "$root/scripts/requirements.py" --only llama-cpp-python)"
    if "$python" "$root/scripts/requirements.py" --satisfied "$requirement"; then return; fi
    command -v c++ >/dev/null || command -v g++ >/dev/null || command -v clang++ >/dev/null ||
        stop "A C/C++ compiler is needed once, for llama.cpp; on Debian: sudo apt-get install build-essential"
    say "Building llama.cpp: about four minutes on two cores, once. Details: $log"
    export CMAKE_ARGS="-DLLAVA_BUILD=OFF -DLLAMA_BUILD_TESTS=OFF -DLLAMA_BUILD_TOOLS=OFF \
-DLLAMA_BUILD_EXAMPLES=OFF -DLLAMA_BUILD_SERVER=OFF ${CMAKE_ARGS:-}"
    with_clock "$log" "$python" -m pip install --disable-pip-version-check --no-input --verbose "$requirement" ||
        stop "llama.cpp was not built; the end of $log is above. Is a package registry reachable?"
}

# with_clock LOG COMMAND...: run it with its output in LOG, showing the time and how far it is; where it
# fails, the end of LOG is shown.
with_clock() {
    local log="$1" started=$SECONDS seconds step
    shift
    "$@" >"$log" 2>&1 </dev/null &
    local work=$!
    trap 'kill "$work" 2>/dev/null; exit 130' INT TERM
    while kill -0 "$work" 2>/dev/null; do
        sleep 1
        seconds=$((SECONDS - started))
        step="$(grep -aoE '\[ *[0-9]+(/[0-9]+|%)\]|^(Collecting|Downloading|Installing) [^ ]+' "$log" |
            tail -n 1 || true)"
        if [ -t 1 ]; then
            printf '\r\033[K  %d:%02d  %.60s' $((seconds / 60)) $((seconds % 60)) "$step"
        elif [ $((seconds % 30)) -eq 0 ]; then
            printf '  %d:%02d  %s\n' $((seconds / 60)) $((seconds % 60)) "$step"
        fi
    done
    if [ -t 1 ]; then printf '\r\033[K'; fi
    trap - INT TERM
    if wait "$work"; then return 0; fi
    tail -n 25 "$log" >&2
    return 1
}
