# SPDX-License-Identifier: Apache-2.0
#
# Sourced by ./dev. The one list of the Debian packages that each purpose needs, and the means to
# install what is missing of them. A machine that has everything is never touched and needs no net.

packages_of() {
    case $1 in
    build)
        echo "gcc libc6-dev meson ninja-build pkg-config python3"
        echo "libevent-dev libssl-dev systemtap-sdt-dev"
        ;;
    test) echo "check clang-format-14 patch" ;;
    check) echo "clang-14 libclang-rt-14-dev llvm-14 clang-tidy-14" ;;
    cover) echo "clang-14 libclang-rt-14-dev llvm-14" ;;
    oracle) echo "rabbitmq-server" ;;
    interop)
        echo "python3-pika python3-aio-pika python3-kombu python3-celery"
        echo "golang-go golang-github-rabbitmq-amqp091-go-dev"
        echo "ruby ruby-bunny php-cli php-amqp php-amqplib"
        echo "default-jdk-headless librabbitmq-client-java"
        echo "librabbitmq-dev amqp-tools"
        # A machine may have Node from elsewhere, which brings npm along and conflicts with
        # Debian's: the commands are what counts.
        command -v node >/dev/null 2>&1 || echo nodejs
        command -v npm >/dev/null 2>&1 || echo npm
        ;;
    esac
}

# Older ones carry known holes in what a peer can send.
LIBEVENT_MIN=2.1.12-stable-8+deb12u1

# The names among the arguments that dpkg does not know as installed.
packages_missing() {
    packages__have=$(dpkg-query -W -f '${db:Status-Abbrev} ${Package} ${Provides}\n' 2>/dev/null |
        sed -n 's/^ii *//p' | tr -s ', ' '\n')
    for packages__name; do
        printf '%s\n' "$packages__have" | grep -qxF -- "$packages__name" || echo "$packages__name"
    done
}

libevent_is_old() {
    packages__version=$(dpkg-query -W -f '${Version}' libevent-dev 2>/dev/null) || return 1
    dpkg --compare-versions "$packages__version" lt "$LIBEVENT_MIN"
}

# need PURPOSE...: installs what these purposes lack.
need() {
    if ! command -v dpkg-query >/dev/null 2>&1; then
        echo "dev: this is not Debian; bring what .ci/packages.sh lists for: $*" >&2
        return 0
    fi
    packages__wanted=
    for packages__purpose; do
        packages__wanted="$packages__wanted $(packages_of "$packages__purpose" | tr '\n' ' ')"
    done
    # shellcheck disable=SC2086 # a list of names
    packages__missing=$(packages_missing $packages__wanted | tr '\n' ' ')
    case " $* " in
    *" build "*) ! libevent_is_old || packages__missing="$packages__missing libevent-dev" ;;
    esac
    [ -z "$packages__missing" ] || packages_install "$packages__missing" || exit 1
    case " $* " in
    *" build "*)
        if libevent_is_old; then
            echo "dev: libevent-dev is older than $LIBEVENT_MIN, which closes known holes" >&2
            exit 1
        fi
        ;;
    esac
}

packages_install() {
    echo "dev: installing $1"
    if [ "$(id -u)" -ne 0 ]; then
        echo "dev: this needs root: apt-get install --no-install-recommends $1" >&2
        return 1
    fi
    # Debian starts a daemon when its package is installed. Ours and theirs would meet on a port,
    # and nobody asked for a running RabbitMQ; this file is Debian's way to say so.
    packages__policy=/usr/sbin/policy-rc.d
    packages__ours=
    if [ ! -e "$packages__policy" ]; then
        packages__ours=$packages__policy
        trap 'rm -f "$packages__ours"' EXIT
        trap 'exit 130' INT
        trap 'exit 143' TERM
        printf '#!/bin/sh\nexit 101\n' >"$packages__policy" && chmod 755 "$packages__policy"
    fi
    # shellcheck disable=SC2086 # a list of names
    packages_apt update && packages_apt install --no-install-recommends $1
    packages__status=$?
    if [ -n "$packages__ours" ]; then
        rm -f "$packages__ours"
        trap - EXIT INT TERM
    fi
    return $packages__status
}

packages_apt() {
    DEBIAN_FRONTEND=noninteractive apt-get -y -q -o DPkg::Lock::Timeout=300 \
        -o Dpkg::Options::=--force-confold "$@" </dev/null
}
