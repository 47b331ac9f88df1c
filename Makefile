# make demo   builds, and runs a soak on the simulated bench
# make test   the whole suite, with nothing skipped
# make build  the binaries, into bin/
# make bench  speed and memory
# make virtual  the shipped binaries on an emulated Raspberry Pi; a part of test
# make virtual-sim  the same on Debian's kernel with simulated lines, whose inputs are driven; a part of test
# make proof-soak  10,000 cycles with faults and kills, held against the hand-written tables
# make deb    the Debian packages for arm64, armhf and amd64, into dist/
# make deb-test  them built twice to the same bytes, and installed into a clean Debian under its systemd; a part of test
# make deb-lint  what lintian says of them
# make screenshots  the pictures in docs/img, from the browser's test
# make virtual-soak  thirty minutes of that Pi's time
# Each installs what it needs and is missing.

GO      ?= go
VERSION := $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)
LDFLAGS := -s -w -X main.version=$(VERSION)
BUILD    = $(GO) build -trimpath -ldflags '$(LDFLAGS)'

.PHONY: bench-detector demo test build bin/resetrig bin/resetrig-mic bench lint cross clean deb deb-lint deb-test proof-soak screenshots virtual virtual-sim virtual-soak

build: bin/resetrig bin/resetrig-mic

bin/resetrig:
	CGO_ENABLED=0 $(BUILD) -o $@ ./cmd/resetrig

bin/resetrig-mic:
	tools/setup.sh build
	CGO_ENABLED=1 $(BUILD) -o $@ ./cmd/resetrig-mic

demo: bin/resetrig
	bin/resetrig demo --out demo

test: export RESETRIG_REQUIRE := all
test: lint cross
	tools/setup.sh build test
	CGO_ENABLED=1 $(GO) vet ./cmd/resetrig-mic
	CGO_ENABLED=0 $(GO) test -timeout 40m ./...
	CGO_ENABLED=0 GOARCH=386 $(GO) test ./rig ./soak ./pcm ./gpio ./config
	CGO_ENABLED=1 $(GO) test -race -timeout 40m ./rig ./soak ./gpio ./store ./sim
	$(MAKE) deb-test
	$(MAKE) virtual
	$(MAKE) virtual-sim

lint:
	@test -z "$$(gofmt -l .)" || { echo "gofmt would change:"; gofmt -l .; exit 1; }
	CGO_ENABLED=0 $(GO) vet ./...
	$(GO) mod tidy -diff

# What goes onto a Pi, 64 and 32 bit. With trimpath, as in the packages, so that
# nothing is compiled twice.
cross:
	CGO_ENABLED=0 GOARCH=arm64 $(GO) build -trimpath -o /dev/null ./cmd/resetrig
	CGO_ENABLED=0 GOARCH=arm GOARM=7 $(GO) build -trimpath -o /dev/null ./cmd/resetrig
	CGO_ENABLED=0 GOARCH=arm GOARM=7 $(GO) vet -trimpath ./...

deb:
	tools/setup.sh deb
	rm -f dist/*.deb
	packaging/build.sh -o dist

# COLD=1 compiles the second packages anew: minutes.
deb-test:
	tools/setup.sh deb debtest
	packaging/reproducible.sh -o dist
	packaging/test.sh

deb-lint: deb
	tools/setup.sh lintian
	lintian --allow-root --fail-on error dist/*.deb

# Nothing here is skipped: what can't be downloaded or does not hold is an error.
virtual:
	virtual/pi/run.sh cycles faults
	virtual/common/check.sh

virtual-sim:
	virtual/gpiosim/run.sh

virtual-soak:
	RESETRIG_VIRTUAL_LIMIT=7200 virtual/pi/run.sh soak

# The share that is the FFT is read from the soak's own profile.
bench:
	CGO_ENABLED=0 $(GO) test -run '^$$' -bench . -benchmem ./audio ./gpio ./pcm/synth ./sim ./store
	@dir=$$(mktemp -d) && CGO_ENABLED=0 $(GO) test -run '^$$' -bench . -benchtime 1x -cpuprofile $$dir/cpu -o $$dir/test ./cmd/resetrig && \
	  echo "Where the time of a soak goes:" && \
	  $(GO) tool pprof -top -cum $$dir/test $$dir/cpu 2>/dev/null | awk '/\(\*fft\)\.(transform|load)|Detector\)\.Process|Room\)\.Render|tripper\)\.RoundTrip|Store\)\.Commit$$/ {printf "  %6s  %s\n", $$5, $$6}'; \
	  rm -rf $$dir

# What the beep detector reaches beside the limit and beside peers, with an error
# where it reaches less than wanted: some six minutes of the processor. The long
# mode, a day of every kind of noise and real speech: make bench-detector HOURS=24
HOURS ?= 0.1
bench-detector:
	CGO_ENABLED=0 $(GO) run ./cmd/bench-detector --hours $(HOURS) --trials 500 --each 14

# Ten thousand cycles with a hundredth of them faulty, killed fifty times: every
# fault must be booked as the hand-written tables say. Then as many without a kill,
# for the memory. Some eleven minutes of the processor; the reports lie in proof/.
proof-soak:
	rm -rf proof && mkdir -p proof/killed proof/flat
	CGO_ENABLED=0 RESETRIG_PROOF_CYCLES=10000 RESETRIG_PROOF_KILLS=50 RESETRIG_PROOF_DIR=$(CURDIR)/proof/killed $(GO) test -count=1 -timeout 3h -v -run '^TestProofSoak$$' ./cmd/resetrig
	CGO_ENABLED=0 RESETRIG_PROOF_CYCLES=10000 RESETRIG_PROOF_KILLS=0 RESETRIG_PROOF_DIR=$(CURDIR)/proof/flat $(GO) test -count=1 -timeout 3h -v -run '^TestProofSoak$$' ./cmd/resetrig

# The dashboard as the browser's test sees it.
screenshots:
	tools/setup.sh test
	@dir=$$(mktemp -d) && CGO_ENABLED=0 RESETRIG_REQUIRE=browser RESETRIG_SCREENSHOTS=$$dir $(GO) test -count=1 -run '^TestDashboardInABrowser$$' ./cmd/resetrig && \
	  for p in live soak cycle phone; do test $$(stat -c %s $$dir/$$p.png) -lt 200000 && cp $$dir/$$p.png docs/img/ || { echo "$$p.png is too large"; exit 1; }; done; status=$$?; rm -rf $$dir; exit $$status

clean:
	rm -rf bin demo dist proof
