#!/bin/bash
# Runs in the clean Debian under its own systemd, at each of its two boots:
# boot.sh NEW.deb. resetrig is installed, and no service of it is enabled.
. /packtest/say.sh
new=$1
export LC_ALL=C.UTF-8 HOME=/root
unit=resetrig@lab.service
show() { systemctl show -P "$1" "$unit"; }
said() { journalctl -q -o cat -u "$unit" --since "@${2:-0}" | grep -q -- "$1"; }
# A pipe whose reader has seen enough is no error of the journal's: no pipefail here.
run() { resetrig list --json | sed -n 's/.*"id":"\([^"]*\)".*/\1/p'; }
# committed prints the number of the last cycle of the soak.
committed() { resetrig report "$(run)" --format csv | tail -n 1 | cut -d, -f3; }
beyond() { [ "$(committed)" -gt "$1" ]; }
# active [PID] is another process than that one; for a moment after a death there is none.
active() { [ "$(show ActiveState)" = active ] && ! [[ " 0 ${1:-0} " == *" $(show MainPID) "* ]]; }
# Every cycle once, in order, none left out; no more interrupted than deaths, and
# nothing but passes beside those.
books() {
  resetrig report "$(run)" --format csv | awk -F, -v deaths="$1" '
    NR == 1 { next }
    $3 != NR - 1 { print "cycle " $3 " stands where " NR - 1 " should"; bad = 1 }
    $11 == "aborted" { aborted++; next }
    $11 != "pass" { print "cycle " $3 ": " $11 " " $13; bad = 1 }
    END { print NR - 1 " cycles, " aborted + 0 " aborted"; if (NR < 2 || aborted > deaths) bad = 1; exit bad }'
}
running() { readlink /proc/[0-9]*/exe | grep '^/usr/bin/resetrig\|^/usr/lib/resetrig/'; }
safes() { journalctl -q -o cat -u "$unit" | grep -c '^reset: off'; }
finish() {
  [ "$(failures)" -eq 0 ] || journalctl -q -o short-monotonic -u "$unit" | tail -n 60
  touch /packtest/booted
  systemctl --no-block poweroff
  exit
}

if [ ! -e /packtest/rebooted ]; then
  step "a soak, put there by root, for a service that is enabled by hand"
  # Times of the unit that would make the test long; the package's are 180 s and 10 s.
  mkdir -p /etc/systemd/system/resetrig@.service.d
  printf '[Service]\nWatchdogSec=5\nRestartSec=1\n' >/etc/systemd/system/resetrig@.service.d/quick.conf
  mkdir /etc/systemd/system/resetrig-serve.service.d
  cp /etc/systemd/system/resetrig@.service.d/quick.conf /etc/systemd/system/resetrig-serve.service.d/
  cp /usr/share/doc/resetrig/examples/benches/simulated.yaml /etc/resetrig/lab.yaml
  must "enqueue" resetrig soak imou-hard-reset --cycles 1000000 --bench /etc/resetrig/lab.yaml --enqueue
  [ -z "$(find /var/lib/resetrig ! -user resetrig)" ] || wrong "root has left: $(find /var/lib/resetrig ! -user resetrig -ls)"
  must "READY" timeout 60 systemctl enable --now "$unit"
  must "it is active, which is what READY makes it" active
  [ "$(show User)" = resetrig ] || wrong "it runs as $(show User)"
  [[ $(show StatusText) == *"a soak on"* ]] || wrong "STATUS is '$(show StatusText)'"
  echo "   STATUS: $(show StatusText)"
  waits 60 "cycles are committed" beyond 5
  systemd-analyze security "$unit" 2>/dev/null | tail -n 1

  step "kill -9"
  before=$(committed) pid=$(show MainPID) safe=$(safes)
  kill -9 "$pid"
  waits 60 "it runs again" active "$pid"
  [ "$(safes)" -gt "$safe" ] || wrong "safe did not run between"
  [ "$(show NRestarts)" -ge 1 ] || wrong "NRestarts is $(show NRestarts)"
  must "it says what it goes on with" said "going on with soak $(run)"
  waits 60 "it goes on" beyond $((before + 5))
  must "exact cycles" books 1; cat /tmp/said

  step "SIGSTOP: nobody feeds the watchdog"
  before=$(committed) pid=$(show MainPID) safe=$(safes)
  kill -STOP "$pid"
  waits 60 "killed, and it runs again" active "$pid"
  must "by the watchdog" said 'Watchdog timeout'
  [ "$(safes)" -gt "$safe" ] || wrong "safe did not run between"
  waits 60 "it goes on" beyond $((before + 5))
  must "exact cycles" books 2; cat /tmp/said

  step "an upgrade under it"
  before=$(committed) pid=$(show MainPID) safe=$(safes)
  must "upgrade" dpkg -i "$new"
  grep '^resetrig:' /tmp/said
  waits 60 "it runs again" active "$pid"
  [ "$(safes)" -gt "$safe" ] || wrong "safe did not run between"
  must "it says so" said 'goes on with v9.9.9'
  waits 60 "it goes on" beyond $((before + 5))
  must "exact cycles" books 3; cat /tmp/said

  step "a reboot"
  must "one soak" test "$(run | wc -l)" = 1
  committed >/packtest/rebooted
  systemctl --no-block reboot
  exit
fi

before=$(cat /packtest/rebooted)
waits 60 "after a reboot it runs by itself" active
waits 60 "it goes on" beyond $((before + 5))
must "one soak" test "$(run | wc -l)" = 1
must "exact cycles" books 4; cat /tmp/said

step "the dashboard, beside the soak's service"
page() { exec 3<>/dev/tcp/127.0.0.1/8090 && printf 'GET /%s HTTP/1.0\r\nHost: 127.0.0.1:8090\r\n\r\n' "$1" >&3 && head -n 1 <&3 | grep -q ' 200 '; }
never "it runs though nobody started it" systemctl -q is-active resetrig-serve
sed -i 's|^BENCHES=.*|BENCHES="--bench /etc/resetrig/lab.yaml"|' /etc/default/resetrig-serve
must "READY" timeout 60 systemctl start resetrig-serve
[ "$(systemctl show -P User resetrig-serve)" = resetrig ] || wrong "it runs as $(systemctl show -P User resetrig-serve)"
echo "   STATUS: $(systemctl show -P StatusText resetrig-serve)"
waits 20 "it says that it is well" page healthz
pid=$(systemctl show -P MainPID resetrig-serve) before=$(committed)
kill -9 "$pid"
again() { active && [ "$(systemctl show -P MainPID resetrig-serve)" -gt 0 ] && [ "$(systemctl show -P MainPID resetrig-serve)" != "$pid" ] && page healthz; }
waits 60 "after kill -9 it is there again" again
waits 60 "the soak goes on beside it" beyond $((before + 5))
must "the same soak, and nothing aborted" books 4; cat /tmp/said

step "a stop, and a start"
safe=$(safes)
must "stop" systemctl stop "$unit"
[ "$(show ActiveState)" = inactive ] || wrong "after a stop it is $(show ActiveState), $(show Result)"
[ "$(safes)" -gt "$safe" ] || wrong "safe did not run last"
before=$(committed)
must "start" systemctl start "$unit"
waits 60 "it goes on" beyond $((before + 5))
must "exact cycles" books 5; cat /tmp/said

step "remove under them"
safe=$(safes)
must "remove" dpkg -r resetrig
never "something still runs" running
[ "$(safes)" -gt "$safe" ] || wrong "safe did not run last"
must "install again" dpkg -i "$new"
must "nothing runs that nobody started" test "$(show ActiveState)" != active
must "the store" runuser -u resetrig -- resetrig store check
must "exact cycles" books 6; cat /tmp/said
finish
