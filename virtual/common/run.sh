# What both virtual benches do to run: make the image, build, boot, watch the
# consoles, tell what took how long. To be sourced; needs $here, the bench's own
# folder.
#
#   bench_open IMAGE WORD  begins to install this machine's packages for WORD (see
#                          tools/setup.sh) and to make IMAGE, beside what follows
#   image_wait             waits for both
#   build ARGUMENTS…       go build, as shipped
#   pack FOLDER            an initramfs of FOLDER, on standard output
#   machine NAME COMMAND…  starts a machine; its console is $work/NAME.log
#   watch                  shows the consoles until every guest has told its
#                          result, ends the machines, and leaves the highest in $code
#   bench_close            tells what took how long, and exits with $code
#
# A guest says RESETRIG-VIRTUAL UP when it has booted, and at its end
# RESETRIG-VIRTUAL RESULT and its exit code.
top=$(cd "$here/../.." && pwd)
. "$here/../common/say.sh"
cache=${RESETRIG_VIRTUAL_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/resetrig/virtual}
mkdir -p "$cache"
cache=$(cd "$cache" && pwd)
limit=${RESETRIG_VIRTUAL_LIMIT:-2400} # seconds of real time, all in all
GO=${GO:-go}
work=$(mktemp -d)
names=() pids=() stages=() image_job=

cleanup() {
  local p
  for p in $image_job "${pids[@]}"; do kill "$p" 2>/dev/null || true; done
  wait
  rm -rf "$work"
}
trap cleanup EXIT
trap 'exit 130' INT TERM

# stage NAME ends the stage before. A stage's processor time is that of the
# commands that ended in it.
stage() {
  local now=${EPOCHREALTIME/[.,]/} cpu
  cpu=$(awk '{ print $14 + $15 + $16 + $17 }' "/proc/$$/stat") # proc(5): ticks of 10 ms
  [ -z "${stage_name:-}" ] || stages+=("$(awk -v n="$stage_name" -v us=$((now - stage_at)) -v t=$((cpu - stage_cpu)) \
    'BEGIN { printf "%-34s %6.1f s, processor %6.1f s", n, us / 1e6, t / 100 }')")
  stage_name=$1 stage_at=$now stage_cpu=$cpu
  first_at=${first_at:-$now}
}

since() { awk -v us=$((${EPOCHREALTIME/[.,]/} - first_at)) 'BEGIN { printf "%.0f", us / 1e6 }'; }

bench_open() {
  bench=$1
  image=$cache/$bench
  stage "programs, image (cached)"
  # Another run may be at it.
  (
    flock 9
    "$top/tools/setup.sh" "$2" && "$here/image.sh" "$cache"
  ) 9>"$cache/$bench.lock" &
  image_job=$!
  version=$(git -C "$top" describe --tags --always --dirty 2>/dev/null || echo dev)
}

build() { (cd "$top" && "$GO" build -trimpath -ldflags "-s -w -X main.version=$version" "$@"); }

image_wait() {
  local ended=0
  wait "$image_job" || ended=$?
  image_job=
  [ "$ended" -eq 0 ] || die "there is nothing to boot: see above"
  [ ! "$image/stamp" -nt "$work" ] || stage_name="programs, image (new)"
}

pack() { (cd "$1" && find . -mindepth 1 | LC_ALL=C sort | cpio --quiet -o -H newc -R 0:0); }

machine() {
  local name=$1; shift
  : > "$work/$name.log"
  "$@" </dev/null >>"$work/$name.log" 2>&1 &
  names+=("$name")
  pids+=($!)
}

# said NAME PATTERN reports whether a console has it.
said() { grep -a -q "RESETRIG-VIRTUAL $2" "$work/$1.log"; }

watch() {
  local i name shown=() result
  stage "boot"
  for i in "${!names[@]}"; do
    tail -n +1 -f --pid="${pids[i]}" "$work/${names[i]}.log" 2>/dev/null |
      LC_ALL=C sed -u "s/\r//g; /RESETRIG-VIRTUAL/d; /terminating on signal/d; /^[^ -~]*\$/d; s/^/${names[i]}: /" &
    shown+=($!)
  done
  code=0
  for i in "${!names[@]}"; do
    name=${names[i]}
    until said "$name" RESULT; do
      if [ "$stage_name" = boot ] && said "$name" UP; then
        say "the first machine is up after $(since) s"
        stage "cases"
      fi
      if ! kill -0 "${pids[i]}" 2>/dev/null; then
        # The last of its console may have come in between.
        said "$name" RESULT || say "the machine of $name ended without a result: look at what it printed last"
        break
      fi
      if [ "$(since)" -gt "$limit" ]; then
        say "$name has no result after $limit s (RESETRIG_VIRTUAL_LIMIT)"
        break
      fi
      sleep 0.5
    done
    kill "${pids[i]}" 2>/dev/null || true
    wait "${pids[i]}" 2>/dev/null || true
    wait "${shown[i]}" 2>/dev/null || true
    result=$(tr -d '\r' < "$work/$name.log" | sed -n 's/^.*RESETRIG-VIRTUAL RESULT \([0-9][0-9]*\)$/\1/p' | head -n 1)
    result=${result:-3}
    [ "$result" -le "$code" ] || code=$result
  done
}

bench_close() {
  stage end
  local s
  for s in "${stages[@]}"; do say "  $s"; done
  say "done after $(since) s, load $(cut -d' ' -f1 /proc/loadavg): $([ "$code" -eq 0 ] && echo every case held || echo "exit $code")"
  exit "$code"
}
