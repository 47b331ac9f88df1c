#!/bin/bash
# Runs in a clean Debian in which no systemd runs, as in an image that is being
# built: install.sh OLD.deb NEW.deb. The package is left installed, with OLD.
. /packtest/say.sh
old=$1 new=$2
export DEBIAN_FRONTEND=noninteractive LC_ALL=C.UTF-8

step "dependencies"
never "it goes without what it depends on" dpkg -i "$old"
must "what it depends on" dpkg -i /deps/*.deb
must "configure" dpkg --configure -a
must "every package is whole" dpkg --audit
[ -z "$(dpkg --audit)" ] || wrong "dpkg --audit: $(dpkg --audit)"

step "what is installed"
must "etc" is /etc/resetrig root:resetrig 2750
must "environment" is /etc/resetrig/resetrig.env root:resetrig 640
must "state" is /var/lib/resetrig resetrig:resetrig 700
must "unit" is /usr/lib/systemd/system/resetrig@.service root:root 644
must "program" is /usr/bin/resetrig root:root 755
for group in gpio audio; do
  id -nG resetrig | tr ' ' '\n' | grep -qx "$group" || wrong "resetrig is not in $group: $(id resetrig)"
done
[ "$(getent passwd resetrig | cut -d: -f6-7)" = /var/lib/resetrig:/usr/sbin/nologin ] || wrong "the user: $(getent passwd resetrig)"
[ -z "$(find /etc/systemd -name 'resetrig*')" ] || wrong "a service is enabled: $(find /etc/systemd -name 'resetrig*')"
must "no file differs from the package" dpkg --verify resetrig
for f in /etc/resetrig/resetrig.env /etc/default/resetrig-serve; do
  must "conffile" grep -q "^ $f " <(dpkg-query -W -f '${Conffiles}\n' resetrig)
done
must "the units are such that systemd takes them" systemd-analyze --man=no verify /usr/lib/systemd/system/resetrig@.service /usr/lib/systemd/system/resetrig-serve.service
udevadm test /sys/class/mem/null >/tmp/udev 2>&1
must "udev reads the rule" grep -q 'Reading rules file: .*60-resetrig.rules' /tmp/udev
never "udev finds something wrong with the rule" grep '60-resetrig.rules:' /tmp/udev
must "the microphone's program finds its libraries" /usr/lib/resetrig/resetrig-mic --version
[ "$(resetrig version | cut -d' ' -f2)" = "$(/usr/lib/resetrig/resetrig-mic --version | grep -o "$(resetrig version | cut -d' ' -f2)" | head -n 1)" ] ||
  wrong "resetrig and resetrig-mic are of two versions: $(resetrig version), $(/usr/lib/resetrig/resetrig-mic --version 2>&1)"
must "bash completes" bash -c '. /usr/share/bash-completion/completions/resetrig && complete -p resetrig'
must "a man page of soak" grep -q 'resetrig-soak' <(zcat /usr/share/man/man1/resetrig-soak.1.gz)
never "the builder's folders" grep -rqE '/root/|/home/|/tmp/' <(zcat /usr/share/man/man1/*.gz; cat /usr/lib/systemd/system/resetrig@.service)
for f in /usr/share/doc/resetrig/examples/benches/*.yaml; do
  case $f in *ear.yaml | *baseline.yaml) continue ;; esac
  (cd /usr/share/doc/resetrig/examples/benches && NVR_PW=x resetrig --state /tmp/none safe --bench "$f") >/tmp/said 2>&1
  # 2 would be a bench file that this version refuses; there are no lines here.
  [ $? -ne 2 ] || { wrong "the example $f"; cat /tmp/said; }
done
must "a plan" grep -q imou /usr/share/doc/resetrig/examples/plans/night.yaml

step "the maintainer scripts once more: nothing changes"
must "configured again" /var/lib/dpkg/info/resetrig.postinst configure "$(version)"
must "configured as for the first time" /var/lib/dpkg/info/resetrig.postinst configure
must "state" is /var/lib/resetrig resetrig:resetrig 700
[ "$(id -nG resetrig | wc -w)" = 3 ] || wrong "groups: $(id resetrig)"
never "an unknown word" /var/lib/dpkg/info/resetrig.postinst nonsense

step "the demo, and a soak, as the service's user"
as() { runuser -u resetrig -- env -u RESETRIG_STATE HOME=/var/lib/resetrig "$@"; }
must "demo" as resetrig demo --out /tmp/demo
must "its report" grep -q 'CONTROLS AND FAULTS' /tmp/demo/report.txt
! grep WRONG /tmp/demo/report.txt || wrong "the demo"
cp /usr/share/doc/resetrig/examples/benches/simulated.yaml /etc/resetrig/lab.yaml
echo 'NVR_PW=secret' >/etc/resetrig/lab.env
must "a file that root adds belongs to the group" is /etc/resetrig/lab.yaml root:resetrig 644
must "soak" as resetrig soak imou-hard-reset --cycles 3 --bench /etc/resetrig/lab.yaml
must "its results are in the service's folder" is /var/lib/resetrig/resetrig.db resetrig:resetrig 600
must "root's own cycle" env HOME=/root resetrig run imou-hard-reset --bench /etc/resetrig/lab.yaml
[ -z "$(find /var/lib/resetrig ! -user resetrig)" ] || wrong "root has left: $(find /var/lib/resetrig ! -user resetrig -ls)"
runs=$(as resetrig list --json | wc -l)
[ "$runs" -ge 2 ] || wrong "$runs runs"
results() { find /var/lib/resetrig -type f ! -name '*-shm' ! -name '*-wal' | sort | xargs sha256sum; }

step "the README's five minutes, as somebody who has just installed it"
useradd -m someone
sed -n '/^## Five minutes/,/^## /p' /usr/share/doc/resetrig/README.md | sed -n '/^```sh/,/^```/p' | sed '/^```$/q' | grep '^resetrig ' >/tmp/readme
[ "$(wc -l </tmp/readme)" -ge 4 ] || wrong "the README has no such commands: $(cat /tmp/readme)"
page() { exec 3<>/dev/tcp/127.0.0.1/8090 && printf 'GET /live/simulated HTTP/1.0\r\nHost: 127.0.0.1:8090\r\n\r\n' >&3 && head -n 1 <&3 | grep -q ' 200 '; }
while read -r line; do
  case $line in
    "resetrig serve"*)
      runuser -l someone -c "exec $line" >/tmp/serve 2>&1 </dev/null &
      waits 20 "its page" page
      kill -TERM "$(for p in /proc/[0-9]*; do [ "$(readlink "$p/exe")" = /usr/bin/resetrig ] && echo "${p#/proc/}"; done)"
      wait
      ;;
    *) must "$line" runuser -l someone -c "$line" ;;
  esac
done </tmp/readme
userdel -r someone 2>/dev/null

step "upgrade"
echo 'RESETRIG_WEBHOOK=kept' >>/etc/resetrig/resetrig.env
chmod 600 /etc/resetrig/lab.env
before=$(results)
must "upgrade" dpkg -i "$new"
dpkg --compare-versions "$(version)" gt "$(dpkg-deb -f "$old" Version)" || wrong "version $(version)"
resetrig version | grep -q v9.9.9 || wrong "the program is $(resetrig version)"
must "what was changed in /etc is kept" grep -q kept /etc/resetrig/resetrig.env
must "rights" is /etc/resetrig/resetrig.env root:resetrig 640
must "rights" is /etc/resetrig/lab.env root:resetrig 600
[ "$before" = "$(results)" ] || wrong "the results are others"
must "the new program reads them" test "$(as resetrig list --json | wc -l)" = "$runs"
must "and adds to them" as resetrig soak imou-hard-reset --cycles 2 --bench /etc/resetrig/lab.yaml

step "remove: configuration and results stay"
before=$(results)
must "remove" dpkg -r resetrig
never "the program" test -e /usr/bin/resetrig
never "the unit" test -e /usr/lib/systemd/system/resetrig@.service
must "environment" grep -q kept /etc/resetrig/resetrig.env
must "bench" test -f /etc/resetrig/lab.yaml
[ "$before" = "$(results)" ] || wrong "the results are others"
must "user" getent passwd resetrig
must "install again" dpkg -i "$old"
must "state" is /var/lib/resetrig resetrig:resetrig 700
must "environment" grep -q kept /etc/resetrig/resetrig.env
must "results" as resetrig store check

step "purge: configuration goes, results stay and are told"
before=$(results)
ln -s /usr/lib/systemd/system/resetrig@.service /etc/systemd/system/multi-user.target.wants/resetrig@lab.service
dpkg -P resetrig >/tmp/purge 2>&1 || wrong "purge: $(cat /tmp/purge)"
must "it says that the results are kept, and how to delete them" grep -q 'results are kept.*var/lib/resetrig' /tmp/purge
must "it says that the results are kept, and how to delete them" grep -q 'rm -r /var/lib/resetrig' /tmp/purge
[ "$before" = "$(results)" ] || wrong "the results are others"
must "their user" getent passwd resetrig
never "configuration" test -e /etc/resetrig
[ -z "$(find /etc /usr /var ! -path '/var/lib/resetrig*' ! -path '/var/log/*' -name '*resetrig*' -print)" ] ||
  wrong "left: $(find /etc /usr /var ! -path '/var/lib/resetrig*' ! -path '/var/log/*' -name '*resetrig*')"
must "again" dpkg -P resetrig
rm -r /var/lib/resetrig

step "purge without results: nothing stays"
must "install" dpkg -i "$old"
must "purge" dpkg -P resetrig
never "state" test -e /var/lib/resetrig
never "user" getent passwd resetrig
never "group" getent group resetrig

step "install for the services"
must "install" dpkg -i "$old"
rm -rf /tmp/demo
touch /packtest/installed
echo "$(failures) failed"
