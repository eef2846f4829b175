#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# amqp-publish, amqp-consume, amqp-get, amqp-declare-queue and amqp-delete-queue against the broker
# at AMQP_HOST and AMQP_PORT. Scratch files go to BROKER_TMP.
#
# What the tools cannot do: declare exchanges, or bind with arguments; show properties, headers or
# the redelivered flag; confirms, mandatory, tx, cancelling a consumer, more than one channel. They
# do not announce consumer_cancel_notify. amqp-consume runs a command per message and acknowledges
# the message if the command succeeds; that command is where most checks here do their looking.

DEADLINE_S=10

tmp=${BROKER_TMP:?}
checks=0
names=0

# Sets `name` to one that no other check, and no other run against the same broker, uses.
unique() {
    names=$((names + 1))
    name=interop.tools.$$.$checks.$names.$1
}

# amqp TOOL ARGUMENT...: the tool's exit status, with its complaints in $tmp/err. Everything is
# given as options, because in a URL the path "/" means the virtual host with the empty name.
amqp() {
    tool=$1
    shift
    timeout --foreground "$DEADLINE_S" "amqp-$tool" --server="$AMQP_HOST" --port="$AMQP_PORT" "$@" \
        2>"$tmp/err"
}

# For use inside checks, each of which runs in a subshell.
fail() {
    printf '%s\n' "$*"
    exit 1
}

must() {
    "$@" || fail "$* ended with $?: $(cat "$tmp/err")"
}

same() {
    [ "$2" = "$3" ] || fail "$1 is '$2', not '$3'"
}

# refused TEXT TOOL ARGUMENT...: the tool must fail and repeat what the server said.
refused() {
    text=$1
    shift
    if amqp "$@" >"$tmp/out"; then
        fail "$* was not refused"
    fi
    grep -qF "$text" "$tmp/err" || fail "$* said '$(cat "$tmp/err")', not '$text'"
}

locked() {
    printf '%s' "server channel error 405, message: RESOURCE_LOCKED - cannot obtain exclusive" \
        " access to locked queue '$1' in vhost '/'."
}

declare_queue() {
    unique "$1"
    same "the declared name" "$(must amqp declare-queue -q "$name")" "$name"
}

publish() {
    must amqp publish "$@"
}

# holds QUEUE BODY...: the queue holds exactly these bodies in this order, and is emptied.
holds() {
    queue=$1
    shift
    for body in "$@"; do
        same "the next body in $queue" "$(must amqp get -q "$queue")" "$body"
    done
    amqp get -q "$queue" >"$tmp/out"
    same "the exit status of amqp-get from an empty queue" $? 2
}

# The command for amqp-consume is a file, as the tool would take a command's options for its own.
handler() {
    cat >"$tmp/handler.new"
    chmod +x "$tmp/handler.new"
    mv "$tmp/handler.new" "$tmp/handler"
}

# listen EXCHANGE KEY: starts an amqp-consume in the background on a queue of its own, `name`, that
# is bound to the exchange and goes with the consumer. With an empty key it would not bind. The
# binding is there when this returns: amqp-consume binds before it consumes, and it has consumed.
listen() {
    unique listener
    mkfifo "$tmp/heard.$name"
    handler <<'END'
#!/bin/sh
cat
echo
END
    timeout --foreground "$DEADLINE_S" amqp-consume --server="$AMQP_HOST" --port="$AMQP_PORT" \
        -q "$name" -e "$1" -r "$2" "$tmp/handler" >"$tmp/heard.$name" 2>"$tmp/listener.err" &
    listener=$!
    exec 7<"$tmp/heard.$name"
    end=$(($(date +%s) + DEADLINE_S))
    until is_empty "$name"; do
        [ "$(date +%s)" -lt "$end" ] || fail "the queue of a consumer is not there"
    done
    publish -r "$name" -b listening
    same "the first message" "$(hear)" listening
}

is_empty() {
    amqp get -q "$1" >"$tmp/out"
    [ $? -eq 2 ]
}

# Prints the next message that the listener heard.
hear() {
    timeout --foreground "$DEADLINE_S" sh -c 'IFS= read -r line && printf "%s" "$line"' <&7 ||
        fail "nothing more in $DEADLINE_S s"
}

# heard BODY...: the listener heard exactly these in this order. What is published last, straight to
# its queue, shows that nothing else came.
heard() {
    publish -r "$name" -b 'the end'
    for body in "$@" 'the end'; do
        same "the next message" "$(hear)" "$body"
    done
    exec 7<&-
    kill "$listener"
    wait "$listener" 2>"$tmp/out"
    same "the exit status of the listener" $? 143
}

check_connect() {
    generated=$(must amqp declare-queue -q '')
    case $generated in
    amq.gen-??????????????????????) ;;
    *) fail "the server named a queue '$generated'" ;;
    esac
    must amqp delete-queue -q "$generated" >"$tmp/out"
}

check_refused_login() {
    refused "server connection error 403, message: ACCESS_REFUSED - Login was refused using \
authentication mechanism PLAIN. For details see the broker logfile." \
        get --password=wrong -q any
    refused 'server connection error 530, message: NOT_ALLOWED - vhost nowhere not found' \
        get --vhost=nowhere -q any
}

check_direct() {
    unique key
    key=$name
    listen amq.direct "$key"
    publish -e amq.direct -r "$key" -b 1
    publish -e amq.direct -r "$key.other" -b 2
    publish -e amq.direct -r "$key" -b 3
    heard 1 3
}

check_fanout() {
    listen amq.fanout ignored
    publish -e amq.fanout -r 'any key' -b 'to all'
    heard 'to all'
}

check_topic() {
    unique key
    key=$name
    listen amq.topic "$key.*.eu.#"
    for suffix in log.eu.disk log.eu eu log.us.disk a.b.eu app.eu.net.full; do
        publish -e amq.topic -r "$key.$suffix" -b "$suffix"
    done
    heard log.eu.disk log.eu app.eu.net.full
}

# A binding without arguments matches every message, which is all that the tools can bind with.
check_headers() {
    listen amq.headers ignored
    publish -e amq.headers -r 'any key' -H 'shape: round' -H 'size: 7' -b 'with headers'
    heard 'with headers'
}

check_properties() {
    declare_queue properties
    publish -r "$name" -C text/plain -E identity -t some.queue -p -H 'trace: abc' -b everything
    handler <<'END'
#!/bin/sh
printf 'got: '
cat
END
    same "what was consumed" "$(must amqp consume -q "$name" -c 1 "$tmp/handler")" 'got: everything'
    printf '1\n2\nlast' >"$tmp/lines"
    publish -r "$name" -l <"$tmp/lines"
    holds "$name" 1 2 last
    must amqp delete-queue -q "$name" >"$tmp/out"
}

check_bodies() {
    declare_queue bodies
    for size in 0 1 10485760; do
        head -c "$size" /dev/urandom >"$tmp/body"
        publish -r "$name" <"$tmp/body"
        must amqp get -q "$name" >"$tmp/out"
        cmp "$tmp/body" "$tmp/out" >&2 || fail "$size bytes changed on their way to amqp-get"
        publish -r "$name" <"$tmp/body"
        must amqp consume -q "$name" -c 1 cat >"$tmp/out"
        cmp "$tmp/body" "$tmp/out" >&2 || fail "$size bytes changed on their way to amqp-consume"
    done
    must amqp delete-queue -q "$name" >"$tmp/out"
}

# What the command does not accept stays unacknowledged until the connection ends, and then stands
# where it stood.
check_requeue() {
    declare_queue requeue
    for body in 1 2 3; do
        publish -r "$name" -b "$body"
    done
    handler <<'END'
#!/bin/sh
[ "$(cat)" != 1 ]
END
    must amqp consume -q "$name" -c 2 "$tmp/handler"
    holds "$name" 1 3
    must amqp delete-queue -q "$name" >"$tmp/out"
}

# While the command sees the first message, the consumer holds as many as its prefetch, and another
# connection gets the one behind them. The rest is left when the consumer ends.
check_prefetch() {
    declare_queue prefetch
    for body in 1 2 3 4 5 6; do
        publish -r "$name" -b "$body"
    done
    handler <<END
#!/bin/sh
body=\$(cat)
printf '%s ' "\$body"
[ "\$body" = 1 ] || exit 0
printf 'before '
exec amqp-get --server="$AMQP_HOST" --port="$AMQP_PORT" -q "$name"
END
    same "what was seen" "$(must amqp consume -q "$name" -p 3 -c 3 "$tmp/handler")" \
        '1 before 42 3 '
    holds "$name" 5 6
    must amqp delete-queue -q "$name" >"$tmp/out"
}

check_no_ack() {
    declare_queue no-ack
    publish -r "$name" -b once
    handler <<'END'
#!/bin/sh
cat
exit 1
END
    same "what was consumed" "$(must amqp consume -q "$name" -A -c 1 "$tmp/handler")" once
    holds "$name"
    must amqp delete-queue -q "$name" >"$tmp/out"
}

# The consumer's queue exists, and is exclusive, while its command runs; it goes with the consumer.
check_exclusive() {
    unique exclusive
    queue=$name
    handler <<END
#!/bin/sh
cat
amqp-declare-queue --server="$AMQP_HOST" --port="$AMQP_PORT" -q "$queue" 2>"$tmp/declare.err"
amqp-get --server="$AMQP_HOST" --port="$AMQP_PORT" -q "$queue" 2>"$tmp/get.err"
exit 0
END
    amqp consume -q "$queue" -x -c 1 "$tmp/handler" >"$tmp/consumed" &
    consumer=$!
    # The queue is there when deleting it is refused; until then there is nothing to delete.
    : >"$tmp/probe"
    end=$(($(date +%s) + DEADLINE_S))
    until grep -qF "$(locked "$queue")" "$tmp/probe"; do
        [ "$(date +%s)" -lt "$end" ] || fail "the queue of a consumer is not locked"
        amqp-delete-queue --server="$AMQP_HOST" --port="$AMQP_PORT" -q "$queue" \
            >"$tmp/out" 2>"$tmp/probe"
    done
    amqp-publish --server="$AMQP_HOST" --port="$AMQP_PORT" -r "$queue" -b hello
    wait "$consumer" || fail "amqp-consume ended with $?"
    same "what was consumed" "$(cat "$tmp/consumed")" hello
    for attempt in declare get; do
        grep -qF "$(locked "$queue")" "$tmp/$attempt.err" ||
            fail "$attempt of a locked queue said '$(cat "$tmp/$attempt.err")'"
    done
    refused "server channel error 404, message: NOT_FOUND - no queue '$queue' in vhost '/'" \
        get -q "$queue"
}

# The queue that amqp-consume declares for an exchange goes with its last consumer, which ends here
# without a word, so that it takes a moment.
check_auto_delete() {
    unique key
    listen amq.direct "$name"
    heard
    end=$(($(date +%s) + DEADLINE_S))
    while amqp get -q "$name" >"$tmp/out" || [ $? -eq 2 ]; do
        [ "$(date +%s)" -lt "$end" ] || fail "the queue is still there"
    done
    refused "server channel error 404, message: NOT_FOUND - no queue '$name' in vhost '/'" \
        get -q "$name"
}

check_delete() {
    declare_queue delete
    publish -r "$name" -b 1
    publish -r "$name" -b 2
    refused "server channel error 406, message: PRECONDITION_FAILED - queue '$name' in vhost '/' \
not empty" delete-queue --if-empty -q "$name"
    handler <<END
#!/bin/sh
amqp-delete-queue --server="$AMQP_HOST" --port="$AMQP_PORT" --if-unused -q "$name" 2>&1
exit 0
END
    same "the answer while a consumer is there" \
        "$(must amqp consume -q "$name" -c 1 "$tmp/handler")" \
        "queue.delete: server channel error 406, message: PRECONDITION_FAILED - queue '$name' \
in vhost '/' in use"
    same "messages deleted" "$(must amqp delete-queue --if-unused -q "$name")" 1
    refused "server channel error 404, message: NOT_FOUND - no queue '$name' in vhost '/'" \
        get -q "$name"
}

check_not_found() {
    unique missing
    refused "server channel error 404, message: NOT_FOUND - no queue '$name' in vhost '/'" \
        consume -q "$name" cat
    refused 'server channel error 404, message: NOT_FOUND - no previously declared queue' \
        get -q ''
    refused "server channel error 404, message: NOT_FOUND - no exchange '$name' in vhost '/'" \
        publish -e "$name" -b 'to nowhere'
}

check_precondition_failed() {
    declare_queue transient
    refused "server channel error 406, message: PRECONDITION_FAILED - inequivalent arg 'durable' \
for queue '$name' in vhost '/': received 'true' but current is 'false'" \
        declare-queue -d -q "$name"
    must amqp delete-queue -q "$name" >"$tmp/out"
}

# Each message makes the round of two connections that are open at once.
check_two_connections() {
    declare_queue requests
    requests=$name
    declare_queue answers
    publish -r "$requests" -b question
    handler <<END
#!/bin/sh
sed 's/question/answer/' | amqp-publish --server="$AMQP_HOST" --port="$AMQP_PORT" -r "$name"
exec amqp-get --server="$AMQP_HOST" --port="$AMQP_PORT" -q "$name"
END
    same "the answer" "$(must amqp consume -q "$requests" -c 1 "$tmp/handler")" answer
    must amqp delete-queue -q "$requests" >"$tmp/out"
    must amqp delete-queue -q "$name" >"$tmp/out"
}

# While it waits, the tool sends heartbeats and gives up after two intervals without a frame; the
# server gives up after 2 to 3 s without one from the tool.
check_heartbeat() {
    declare_queue heartbeat
    amqp consume --heartbeat=1 -q "$name" -c 1 cat >"$tmp/consumed" &
    consumer=$!
    sleep 3.5
    amqp-publish --server="$AMQP_HOST" --port="$AMQP_PORT" -r "$name" -b 'still here'
    wait "$consumer" || fail "the idle consumer ended with $?: $(cat "$tmp/err")"
    same "what was consumed" "$(cat "$tmp/consumed")" 'still here'
    must amqp delete-queue -q "$name" >"$tmp/out"
}

failed=0

check() {
    checks=$((checks + 1))
    if reason=$("$2"); then
        echo "ok - $1"
    else
        failed=1
        echo "not ok - $1: $reason"
    fi
}

check 'connect' check_connect
check 'refused login' check_refused_login
check 'direct exchange' check_direct
check 'fanout exchange' check_fanout
check 'topic exchange' check_topic
check 'headers exchange' check_headers
check 'every property, and lines' check_properties
check 'bodies of 0 bytes, 1 byte and 10 MiB' check_bodies
check 'requeue of what was not accepted' check_requeue
check 'prefetch' check_prefetch
check 'no-ack' check_no_ack
check 'exclusive queue' check_exclusive
check 'auto-delete queue' check_auto_delete
check 'delete if empty, if unused' check_delete
check 'channel error 404' check_not_found
check 'channel error 406' check_precondition_failed
check 'two connections' check_two_connections
check 'heartbeat' check_heartbeat
exit "$failed"
