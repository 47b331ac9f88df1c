package sim

import "time"

// phase is what the unit is doing.
type phase int

const (
	off        phase = iota
	bootloader       // runs; reset pins not sampled yet, or long decided
	holding          // pins shorted at power-on: counts the hold
	resetting        // has taken the reset: writes flash, beeps
	waiting          // reset done: waits for the pins to open
	kernel           // boots, no network
	linked           // on the network, refuses connections
	starting         // web server answers 503, then 401
	ready
	halted // shut down by command: until the next power-on
	dead   // bricked, or dead by a fault: noise and nothing else
)

var phaseNames = [...]string{
	off: "off", bootloader: "bootloader", holding: "holding", resetting: "resetting", waiting: "waiting",
	kernel: "kernel", linked: "linked", starting: "starting", ready: "ready", halted: "halted", dead: "dead",
}

// unit is the recorder behind its socket.
type unit struct {
	phase   phase
	running bool
	home    string // where it is at the beginning of each cycle
	flash   *flash
	// instead: the old state that comes back, and when.
	oldState     *flash
	revertsReady bool   // 5–15 s after it is ready
	revertsCycle bool   // at the next power-on
	next         *flash // takes its place after a while in the old state
	bricked      bool
	killed       bool // by dead-after-reset
	looping      bool // by boots-forever
	frozen       bool // by frozen-at-logo: until its power goes
	unkept       bool // by activation-lost: its password goes with the next start
	telnet       bool // by extra-port
	keeps        keeping
	taken        bool // the reset was taken, and no restart came since
	boots        int
	resets       int
	powerUpAt    time.Duration
	kernelAt     time.Duration // uptime counts from here
	readyAt      time.Duration
	bootEnds     time.Duration
	writeEnds    time.Duration
	stranger     *flash // what another unit at this address holds
}

// keeping is what a reset spares.
type keeping struct{ network, users bool }

// up reports whether its operating system runs.
func (u *unit) up() bool { return u.phase >= kernel && u.phase <= ready }

// supply is the power at the socket coming or going.
func (w *World) supply(on bool) {
	w.supplies++
	if on {
		if !w.unit.running {
			w.powerUp()
		}
		return
	}
	gen := w.supplies
	w.plan(w.between(w.model.LeastHoldUp, w.model.MostHoldUp), 0, func() {
		if gen == w.supplies {
			w.powerDown()
		}
	})
}

// powerDown is the capacitor running empty.
func (w *World) powerDown() {
	u := &w.unit
	if w.now < u.writeEnds {
		u.bricked = true
	}
	u.running = false
	w.enter(off)
	w.newLife()
	w.room.hum(w.now, humOff)
}

// newLife forgets all that the unit had planned and held in memory.
func (w *World) newLife() {
	w.life++
	w.room.silence(w.now)
	w.forget()
}

func (w *World) enter(p phase) { w.unit.phase = p }

// has reports a fault that shows from the act's first power-on.
func (w *World) has(fault string) bool { return w.act == acted && w.faults[fault] }

// powerUp is the supply reaching a unit that was dead.
func (w *World) powerUp() {
	u := &w.unit
	w.newLife()
	u.running, u.taken, u.writeEnds, u.frozen = true, false, 0, false
	w.loseActivation()
	u.powerUpAt = w.now
	first := w.act == acting
	if first {
		w.beginReset()
	}
	w.room.hum(w.now, humFan)
	if u.revertsCycle {
		u.flash, u.oldState, u.revertsCycle = u.oldState, nil, false
	}
	if u.bricked || u.killed {
		w.enter(dead)
		return
	}
	w.enter(bootloader)
	w.chirp()
	sample := w.between(50*time.Millisecond, 250*time.Millisecond)
	if first && w.has(resetsOnPowerOn) {
		w.wipe()
		w.boot(sample)
		return
	}
	w.after(sample, func() {
		if !w.wires.contact[reset] || w.has(resetIgnored) {
			w.boot(0)
			return
		}
		w.enter(holding)
		w.after(u.powerUpAt+w.model.Hold-w.now, w.take)
	})
}

// beginReset is the moment from which the device's faults show.
func (w *World) beginReset() {
	w.act = acted
	if w.faults[neighbourBeep] {
		w.neighbour(w.between(4*time.Second, 8*time.Second))
		w.neighbour(w.model.Hold + w.between(-800*time.Millisecond, 800*time.Millisecond))
	}
	if w.faults[wrongUnit] {
		s := w.factoryFlash()
		s.setAddress(w.address())
		w.unit.stranger = s
		s.setMAC(w.mac())
	}
}

// pins is the reset loop closing or opening.
func (w *World) pins(shorted bool) {
	if shorted {
		return
	}
	switch w.unit.phase {
	case holding: // let go too early
		w.boot(0)
	case waiting:
		w.after(w.between(300*time.Millisecond, time.Second), w.restart)
	}
}

// take is the hold fulfilled.
func (w *World) take() {
	if w.unit.phase != holding {
		return
	}
	beeps := w.between(w.model.Beep.Least, w.model.Beep.Most)
	begins := w.between(50*time.Millisecond, 300*time.Millisecond)
	done := w.write()
	if !w.faults[noBeep] {
		w.room.tone(w.now+begins, w.now+begins+beeps, w.model.Beep.LevelDBFS, ownBuzzer)
		if w.quirk(beepsTwice) {
			const gap = 400 * time.Millisecond
			w.room.tone(w.now+begins+beeps+gap, w.now+begins+2*beeps+gap, w.model.Beep.LevelDBFS, ownBuzzer)
			beeps += beeps + gap
		}
		done = max(done, begins+beeps)
	}
	w.after(done, func() {
		w.enter(waiting)
		if !w.wires.contact[reset] {
			w.pins(false)
		}
	})
}

// write resets the flash and says how long that takes.
func (w *World) write() time.Duration {
	w.enter(resetting)
	w.forget()
	d := w.between(w.model.LeastWrite, w.model.MostWrite)
	w.unit.writeEnds = w.now + d
	w.applyReset()
	return d
}

// commandReset is Way 1: the reset command was accepted.
func (w *World) commandReset(k keeping) {
	w.beginAct()
	if w.act == acting {
		w.beginReset()
	}
	w.after(w.between(500*time.Millisecond, 1500*time.Millisecond), func() {
		if w.has(resetIgnored) {
			w.restart()
			return
		}
		w.unit.keeps = k
		if w.has(rebootMissing) {
			w.applyReset()
			w.unit.taken = false
			w.forget()
			return
		}
		w.after(w.write(), w.restart)
	})
}

// applyReset is what a reset does to the flash, faults included.
func (w *World) applyReset() {
	u := &w.unit
	old := u.flash
	w.wipe()
	u.taken = true
	switch {
	case w.has(defaultReverts):
		u.oldState, u.revertsReady = old, true
	case w.has(defaultRevertsCycle):
		u.oldState = old // armed by the restart
	case w.has(oldStateThenReboot):
		u.next, u.flash = u.flash, old
	}
}

// wipe brings the flash into the factory's state.
func (w *World) wipe() {
	u := &w.unit
	old, fresh := u.flash, w.factoryFlash()
	fresh.setAddress(u.home)
	switch {
	case w.opts.MovesToDefault && w.model.DefaultAddress != "":
		fresh.setAddress(w.model.DefaultAddress)
	case w.has(addressMoved):
		fresh.setAddress(otherAddress(u.home))
	}
	k := u.keeps
	u.keeps = keeping{}
	if k.network {
		fresh.keepNetwork(old)
	}
	if k.users {
		fresh.users, fresh.initialised, fresh.agreed = old.users, old.initialised, old.agreed
	}
	if !w.quirk(clock1970) {
		fresh.clockSet, fresh.clockOffset = old.clockSet, old.clockOffset
	}
	if fresh.key = old.key; w.quirk(newKey) {
		fresh.key++
	}
	u.telnet = u.telnet || w.quirk(extraPort) || w.has(extraPort)
	if w.has(resetPartialPassword) {
		fresh.tables = old.tables
	}
	if w.has(resetPartialConfig) {
		fresh.users, fresh.initialised, fresh.agreed = old.users, old.initialised, old.agreed
	}
	u.flash, u.unkept = fresh, false
	u.resets++
	if !w.quirk(lockKept) {
		w.server.unlock()
	}
}

// restart is a start without a loss of power: the pins are not looked at.
func (w *World) restart() {
	u := &w.unit
	w.newLife()
	if u.taken && w.has(deadAfterReset) {
		u.killed = true
	}
	if u.taken && w.has(defaultRevertsCycle) && u.oldState != nil {
		u.revertsCycle = true
	}
	u.frozen = u.taken && w.has(frozenAtLogo)
	u.taken = false
	u.writeEnds = 0
	w.loseActivation()
	if u.bricked || u.killed {
		w.enter(dead)
		return
	}
	w.enter(bootloader)
	w.chirp()
	w.boot(w.between(50*time.Millisecond, 250*time.Millisecond))
}

// boot plans the way from the bootloader's end, d from now, to ready.
func (w *World) boot(d time.Duration) {
	u := &w.unit
	u.boots++
	w.enter(bootloader)
	total := w.between(w.model.LeastBoot, w.model.MostBoot)
	at := func(least, most float64) time.Duration {
		return time.Duration(float64(total) * (least + (most-least)*w.rnd.Float64()))
	}
	link, listen := at(linkLeast, linkMost), at(listenLeast, listenMost)
	if w.has(slowBoot) {
		const late = 10 * time.Minute
		link, listen, total = link+late, listen+late, total+late
	}
	u.bootEnds = w.now + total
	w.after(d, func() {
		u.kernelAt = w.now
		w.enter(kernel)
		w.room.hum(w.now, humDisk)
		if w.faults[noDiskAlarm] {
			w.alarm()
		}
	})
	if u.frozen {
		return
	}
	w.after(max(link, d), func() { w.enter(linked) })
	w.after(max(listen, d), func() { w.enter(starting); u.readyAt = u.bootEnds })
	w.after(total, w.becomeReady)
	if w.has(bootsForever) {
		u.looping = true
		w.after(w.between(total/2, total+6*time.Second), w.restart)
	}
}

// becomeReady is the end of a boot.
func (w *World) becomeReady() {
	u := &w.unit
	w.enter(ready)
	u.readyAt = w.now
	switch {
	case u.next != nil:
		w.after(w.between(7500*time.Millisecond, 8500*time.Millisecond), func() {
			if u.next != nil {
				u.flash, u.next = u.next, nil
				w.restart()
			}
		})
	case u.revertsReady:
		w.after(w.between(5*time.Second, 15*time.Second), func() {
			if u.oldState != nil {
				u.flash, u.oldState, u.revertsReady = u.oldState, nil, false
				w.forget()
			}
		})
	}
}

// chirp is the power-on self-test's short beep.
func (w *World) chirp() {
	begins := w.now + w.between(500*time.Millisecond, 900*time.Millisecond)
	w.room.tone(begins, begins+w.between(80*time.Millisecond, 200*time.Millisecond), w.model.Beep.LevelDBFS, ownBuzzer)
}

// alarm repeats the short beeps of a recorder without a disk.
func (w *World) alarm() {
	on, gap := w.between(150*time.Millisecond, 800*time.Millisecond), w.between(400*time.Millisecond, 1200*time.Millisecond)
	var again func()
	again = func() {
		if !w.faults[noDiskAlarm] {
			return
		}
		w.room.tone(w.now, w.now+on, w.model.Beep.LevelDBFS, ownBuzzer)
		w.after(on+gap, again)
	}
	w.after(gap, again)
}

// neighbour plans another bench's long beep, d from now.
func (w *World) neighbour(d time.Duration) {
	long := w.between(2*time.Second, 3*time.Second)
	weaker := 20 + 5*w.rnd.Float64()
	w.plan(max(d, 0), 0, func() {
		w.room.tone(w.now, w.now+long, w.model.Beep.LevelDBFS-weaker, otherBuzzer)
	})
}

// activate gives the administrator of an uninitialised unit a password.
func (w *World) activate(password string) {
	w.front().provision(password)
	w.unit.unkept = w.faults[activationLost]
}

// loseActivation is the start after which that password is gone.
func (w *World) loseActivation() {
	u := &w.unit
	if !u.unkept {
		return
	}
	u.unkept = false
	u.flash.initialised, u.flash.agreed = false, false
	if a := u.flash.user("admin"); a != nil {
		a.password = ""
	}
}

// mend undoes what a cycle's faults did, as if someone had put it right.
func (w *World) mend() {
	u := &w.unit
	w.wires.welded, w.wires.open = [2]bool{}, [2]bool{}
	u.unkept, u.telnet = false, w.quirk(extraPort) && u.telnet
	u.stranger, u.oldState, u.revertsReady, u.revertsCycle = nil, nil, false, false
	if u.next != nil {
		u.flash, u.next = u.next, nil
	}
	if w.address() != u.home && !w.opts.MovesToDefault {
		u.flash.setAddress(u.home)
	}
	late := u.phase >= bootloader && u.phase < ready && u.bootEnds > w.now+w.model.MostBoot
	if u.killed || u.looping || u.frozen || late {
		u.killed, u.looping, u.frozen = false, false, false
		if u.running {
			w.restart()
		}
	}
	w.server.unlock()
}
