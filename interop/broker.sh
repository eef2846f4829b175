# SPDX-License-Identifier: Apache-2.0
#
# Sourced by every client's `run`, from inside the client's own folder; gives the client a broker:
#
#     cd "$(dirname "$0")" || exit 1
#     . ../broker.sh
#     broker_start
#     /usr/bin/python3 client.py
#
# broker_start starts whippet on a free loopback port with a data directory of its own and returns
# when it accepts connections. When the script exits, for whatever reason, the broker gets SIGTERM;
# the script then fails if the client failed, or if the broker did not exit with 0 in good time.
#
# In:   WHIPPET_BIN            the broker to test       (../../build/release/bin/whippet)
#       IO_THREADS             passed on as --set io_threads=N if not empty
#       INTEROP_EXTERNAL_PORT  use what listens on this port of 127.0.0.1 instead of starting
#                              anything; this is how the clients are checked against RabbitMQ
# Out:  AMQP_HOST AMQP_PORT AMQP_URL, exported
#       BROKER_TMP             a scratch folder that goes away with the script, exported
#       BROKER_PID BROKER_LOG  empty with an external broker
#
# A `run` script sets no EXIT, INT, TERM or HUP trap of its own; it may define a function
# `client_cleanup`, which is called before the broker is stopped.

BROKER_START_SECONDS=30 # a sanitizer build on a busy machine needs some of this, a release none
BROKER_STOP_SECONDS=30
BROKER_PORT_TRIES=20

BROKER_PID=
BROKER_LOG=
BROKER_TMP=

broker_start() {
    BROKER_TMP=$(mktemp -d "${TMPDIR:-/tmp}/interop.XXXXXX") || exit 1
    export BROKER_TMP
    trap broker__at_exit EXIT
    trap 'exit 129' HUP
    trap 'exit 130' INT
    trap 'exit 143' TERM
    if [ -n "${INTEROP_EXTERNAL_PORT:-}" ]; then
        AMQP_PORT=$INTEROP_EXTERNAL_PORT
    else
        broker__start_on_free_port
    fi
    AMQP_HOST=127.0.0.1
    AMQP_URL=amqp://guest:guest@127.0.0.1:$AMQP_PORT/
    export AMQP_HOST AMQP_PORT AMQP_URL
}

# Only the broker's own bind decides whether a port is free: asking beforehand would be a race.
broker__start_on_free_port() {
    broker__bin=${WHIPPET_BIN:-../../build/release/bin/whippet}
    [ -x "$broker__bin" ] || broker__die "nothing at $broker__bin (./dev build, or set WHIPPET_BIN)"
    BROKER_LOG=$BROKER_TMP/broker.log
    broker__try=0
    while [ "$broker__try" -lt "$BROKER_PORT_TRIES" ]; do
        broker__try=$((broker__try + 1))
        broker__pick_port
        broker__launch && return
        grep -qi 'in use' "$BROKER_LOG" || break
    done
    broker__show_log
    BROKER_LOG=
    broker__die "the broker did not start"
}

# Below the kernel's ephemeral range, so that no outgoing connection sits on it, and never one of
# the ports that a RabbitMQ of this machine may be using.
broker__pick_port() {
    AMQP_PORT=$((20000 + $(od -An -N2 -tu2 /dev/urandom) % 10000))
    [ "$AMQP_PORT" -ne 25672 ] || AMQP_PORT=25673
}

# Starts the broker on $AMQP_PORT. True once it accepts connections; false if it ended, or had to be
# ended, before that. Its stdout comes through a pipe, so that waiting for the line needs no polling
# and a broker that dies is noticed at once. Its stdin is a pipe on which nobody ever writes; the
# other end, descriptor 7, comes to its end when the broker does. The broker opens them in this
# order, and the second open waits for ours, so it cannot be gone before we hold both.
broker__launch() {
    rm -rf "$BROKER_TMP/data" "$BROKER_TMP/alive" "$BROKER_TMP/stdout"
    mkfifo "$BROKER_TMP/alive" "$BROKER_TMP/stdout" || exit 1
    : >"$BROKER_LOG"
    "$broker__bin" --listen "127.0.0.1:$AMQP_PORT" --data "$BROKER_TMP/data" \
        ${IO_THREADS:+--set "io_threads=$IO_THREADS"} \
        0<>"$BROKER_TMP/alive" >"$BROKER_TMP/stdout" 2>>"$BROKER_LOG" &
    BROKER_PID=$!
    exec 7<"$BROKER_TMP/alive"
    exec 9<"$BROKER_TMP/stdout"
    if timeout --foreground "$BROKER_START_SECONDS" sh -c '
        while IFS= read -r line; do
            printf "%s\n" "$line"
            case $line in *"Server startup complete"*) exit 0 ;; esac
        done
        exit 1' <&9 >>"$BROKER_LOG"; then
        cat <&9 >>"$BROKER_LOG" 2>/dev/null 7<&- &
        broker__drain=$!
        exec 9<&-
        return 0
    fi
    exec 7<&- 9<&-
    kill -KILL "$BROKER_PID" 2>/dev/null
    wait "$BROKER_PID" 2>/dev/null
    BROKER_PID=
    return 1
}

broker__at_exit() {
    broker__status=$?
    trap - EXIT
    trap '' HUP INT TERM
    if command -v client_cleanup >/dev/null 2>&1; then
        client_cleanup
    fi
    if [ -n "$BROKER_PID" ] && ! broker__stop; then
        broker__show_log
        [ "$broker__status" -ne 0 ] || broker__status=1
    elif [ "$broker__status" -ne 0 ] && [ -n "$BROKER_LOG" ]; then
        broker__show_log
    fi
    rm -rf "$BROKER_TMP"
    exit "$broker__status"
}

broker__stop() {
    kill -TERM "$BROKER_PID" 2>/dev/null
    timeout --foreground "$BROKER_STOP_SECONDS" cat <&7 || kill -KILL "$BROKER_PID"
    wait "$BROKER_PID"
    broker__code=$?
    wait "$broker__drain"
    [ "$broker__code" -ne 0 ] || return 0
    echo "not ok - broker stops cleanly on SIGTERM: exit status $broker__code"
    return 1
}

broker__show_log() {
    echo "--- last lines of the broker's log"
    tail -n 60 "$BROKER_LOG"
    echo "--- end of the broker's log"
}

broker__die() {
    echo "not ok - broker: $1"
    exit 1
}
