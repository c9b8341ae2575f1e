# shellcheck shell=bash
# What scripts/kiosk/install and scripts/kiosk/uninstall share: which file goes where. Sourced by bash.

say() { printf '%s\n' "$*"; }
stop() { printf 'error: %s\n' "$*" >&2; exit 2; }

# The comment at the beginning of a script.
explain() { sed -n '2,/^set/{/^set/d;s/^# \{0,1\}//;p}' "$1"; }

# run COMMAND...: said, and done unless this is a dry run.
run() {
    say "$*"
    # shellcheck disable=SC2154  # set by the script that sources this
    [ "$dry" = yes ] || "$@"
}

# Lines of: file in this folder, place on the machine.
kiosk_files() {
    local unit
    for unit in aura.service aura-backup.service aura-backup.timer aura-health.service aura-health.timer \
        aura-restart.service aura-kiosk.service; do
        echo "units/$unit /etc/systemd/system/$unit"
    done
    echo "etc/journald.conf /etc/systemd/journald.conf.d/aura.conf"
    echo "etc/system.conf /etc/systemd/system.conf.d/aura.conf"
    echo "etc/sysusers.conf /etc/sysusers.d/aura.conf"
    echo "etc/chromium.json /etc/chromium/policies/managed/aura.json"
}

# Whether a file is for the screen alone.
is_of_screen() {
    case "$1" in units/aura-kiosk.service | etc/chromium.json) ;; *) return 1 ;; esac
}
