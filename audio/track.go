package audio

import "math"

// track is a tone from its first sign to its end.
type track struct {
	active    bool
	id        int
	bin       int     // index in the floor's slices
	drift     int     // bins that it has wandered
	born      int64   // frame in which it was opened
	onset     float64 // sample; coarse until timed
	timed     bool
	fromStart bool    // it was there when the sound began
	power     float64 // running, of three bins, less the noise
	recent    float64 // the same over the last frames, for weak tones
	n0        float64 // mean noise power of a bin, from before the onset
	noise     float64 // the same now, of the bins around; not under n0
	low, high int     // frames in a row under, over its own level
	unknown   int     // frames in a row that were not known
	state     trackState
	reason    RefusalReason
	last      int64 // last frame in which it was seen

	hz  float64
	amp float64 // of the sine

	// A part of a broken tone lies between these samples; 0 is open.
	notBefore, notAfter float64
	parts               int // how often it was taken apart

	faint  bool    // too weak to be followed frame by frame
	lambda float64 // of the coherent search: energy over noise density
}

// loudest is the loudest tone of late.
type loudest struct {
	power float64
	frame int64
}

// loudFor is how long it counts: as long as the coherent search looks back.
const loudFor = faintBlocks * block

type trackState int

const (
	young trackState = iota
	long
	rejected
)

const (
	fall = 0.2 // of the running power: the tone is gone
	jump = 4   // times the running power: another tone came on top

	longestTrack = 60 * workRate // a tone that lasts longer is a noise of the room
)

func (t *track) level() float64 { return 20 * math.Log10(max(t.amp, 1e-9)) }

// snr is the power in the bins over that of their noise.
func (t *track) snr() float64 { return t.power / (3 * t.noise) }

// search opens tracks on the bins that stand out.
func (d *Detector) search() {
	f := d.floor
	for i := f.a; i < f.b; i++ {
		if f.fast[i] < fastLimit || d.taken(i) {
			continue
		}
		if d.power[i]*f.inv[i] >= 4 && peak(d.power, i) && stands(d.power, i) {
			d.open(i)
		}
	}
}

func peak[T int32 | float32](x []T, i int) bool {
	for k := max(0, i-3); k <= min(len(x)-1, i+3); k++ {
		if x[k] > x[i] {
			return false
		}
	}
	return true
}

// merge drops one of two tracks that have met on one tone: the refused one, or
// the younger.
func (d *Detector) merge() {
	for i := range d.tracks {
		if !d.tracks[i].active {
			continue
		}
		for k := range d.tracks[:i] {
			a, b := &d.tracks[i], &d.tracks[k]
			if !a.active || !b.active || a.bin-b.bin > 2 || b.bin-a.bin > 2 || a.faint != b.faint {
				continue // what is louder than a faint one has yet to show how long it lasts
			}
			if a.id < b.id {
				a, b = b, a
			}
			// a is the younger.
			if b.state == rejected && a.state != rejected {
				a = b
			}
			a.active = false
		}
	}
}

// taken: a track stands at the bin, or so near that what is there may be its
// skirt. Something louder three bins away is another tone.
func (d *Detector) taken(bin int) bool {
	for i := range d.tracks {
		t := &d.tracks[i]
		if !t.active || bin < t.bin-6 || bin > t.bin+6 {
			continue
		}
		least := 2 * d.power[t.bin]
		if t.faint {
			// No frame shows it: what stands out here is something else.
			if float64(d.power[bin]) < jump*t.power+12*t.noise {
				return true
			}
			continue
		}
		if off := bin - t.bin; off > -3 && off < 3 {
			return true
		} else if off <= -5 || off >= 5 {
			least /= 8
		}
		if d.power[bin] < least {
			return true
		}
	}
	return false
}

// beside: a track stands within six bins.
func (d *Detector) beside(bin int) bool {
	for i := range d.tracks {
		if t := &d.tracks[i]; t.active && bin >= t.bin-6 && bin <= t.bin+6 {
			return true
		}
	}
	return false
}

func (d *Detector) open(bin int) {
	if bin < wide+1 || bin >= len(d.power)-wide-1 {
		return
	}
	for i := range d.tracks {
		t := &d.tracks[i]
		if t.active || t.last+4*hop > d.frame && t.last > 0 {
			continue
		}
		// Backwards, the excess over twice the noise adds up until the onset;
		// that over a third of the tone, where that is more.
		f, best, back, sum := d.floor, int32(0), 0, int32(0)
		over := max(2*unity, (f.ago(bin, 0)+f.ago(bin, 1))/6)
		reach := rows
		if d.beside(bin) {
			reach = 3 // the other tone's skirt tells nothing of this one's past
		}
		for k := range reach {
			if d.frame-int64(k)*hop < 0 {
				break
			}
			if sum += f.ago(bin, k) - over; sum > best {
				best, back = sum, k
			}
		}
		first := d.frame - int64(back)*hop
		d.lastID++
		*t = track{
			active: true, id: d.lastID, bin: bin, born: d.frame, last: d.frame,
			onset: float64(first) + frameLen*5/8, fromStart: first <= hop,
			n0: f.noise(bin),
		}
		t.noise = t.n0
		t.power = max(0, d.three(bin)-3*t.n0)
		if back > 4 {
			// Weak: its level is the mean since the onset.
			sum := int32(0)
			for k := range back + 1 {
				sum += f.ago(bin, k)
			}
			t.power = max(0, 2*(float64(sum)/float64(unity*(back+1))-1)/float64(f.inv[bin]))
		}
		t.recent = t.power
		if t.fromStart {
			t.onset = float64(first)
		}
		return
	}
}

// three is the power of a tone in this frame: its bin and both beside it.
func (d *Detector) three(bin int) float64 {
	return float64(d.power[bin-1] + d.power[bin] + d.power[bin+1])
}

// follow takes this frame into a track.
func (d *Detector) follow(t *track, known bool, emit func(Event)) {
	if !known {
		if t.unknown++; float64(t.unknown*hop) > bridge*workRate+2*frameLen {
			d.cutOff(t, emit)
		}
		return
	}
	t.unknown = 0
	if t.faint {
		d.followFaint(t, emit)
		return
	}
	if (d.frame-t.born)/hop%4 == 3 {
		t.noise = max(t.n0, d.floor.noise(t.bin))
	}
	s := d.three(t.bin) - 3*t.noise
	// A weak tone is judged by a mean of frames, and its own level is longer in
	// the making: single frames say little.
	gone, keep, patience, late := s < fall*t.power || s < t.noise, 0.2, 2, 0
	if t.snr() < 12 {
		t.recent += 0.3 * (s - t.recent)
		gone, keep, patience, late = t.recent < 0.4*t.power, 0.06, 2, 2
	} else {
		t.recent = s
	}
	switch {
	case gone:
		t.low, t.high = t.low+1, 0
		if t.low >= patience {
			d.end(t, float64(d.frame-int64(t.low+late)*hop)+frameLen*5/8, emit)
			return
		}
	case s > jump*t.power && s > 12*t.noise && d.frame-t.born > 6*hop:
		t.low, t.high = 0, t.high+1
		if t.high >= 2 {
			d.louder(t, emit)
			return
		}
	default:
		t.low, t.high = 0, 0
		t.last = d.frame
		t.power += keep * (s - t.power)
		d.recentre(t)
		if d.loudest.power < t.power || d.loudest.frame+loudFor < d.frame {
			d.loudest = loudest{t.power, d.frame}
		}
	}
	now := float64(d.frame + frameLen)
	if t.state == young && t.low == 0 && now >= t.onset+(d.long+0.02)*workRate {
		d.decide(t, emit)
	}
	if d.frame-t.born > longestTrack {
		d.cutOff(t, emit)
		d.floor.learn(d.power, t.bin)
	}
}

// recentre lets a track follow a tone that drifts, by a few bins.
func (d *Detector) recentre(t *track) {
	step := 0
	switch p := d.power; {
	case p[t.bin+1] > 1.3*p[t.bin]:
		step = 1
	case p[t.bin-1] > 1.3*p[t.bin]:
		step = -1
	default:
		return
	}
	if n := t.drift + step; n < -3 || n > 3 || t.bin+step <= wide || t.bin+step >= len(d.power)-wide-1 {
		return
	}
	t.bin += step
	t.drift += step
}

// learn makes what sounds now the floor of the bins around one.
func (f *floor) learn(power []float32, bin int) {
	for i := max(0, bin-wide); i <= min(len(f.inv)-1, bin+wide); i++ {
		f.inv[i] = 1 / max(power[i], least)
	}
	f.forget(bin)
}

// louder ends a track on which another, louder tone has begun, and opens one
// for that.
func (d *Detector) louder(t *track, emit func(Event)) {
	bin, n0 := t.bin, t.n0
	at := float64(d.frame-hop) + frameLen*5/8
	d.finish(t, at, emit)
	d.lastID++
	*t = track{active: true, id: d.lastID, bin: bin, born: d.frame, last: d.frame, onset: at, n0: n0, noise: n0}
	t.power = max(0, d.three(bin)-3*n0)
	t.recent = t.power
}

// decide asks, once a track has lasted long enough, whether it is a long beep.
func (d *Detector) decide(t *track, emit func(Event)) {
	now := float64(d.total)
	if !t.timed {
		if d.time(t, now); !t.timed {
			t.active = false // the skirt of another tone
			return
		}
		if now < t.onset+(d.long+0.02)*workRate {
			return
		}
	}
	if t.fromStart {
		// No rise can be shown: the end must show a fall.
		return
	}
	m := d.measure(t.onset+0.008*workRate, now, t.hz, t.n0)
	if m.gapTo > 0 {
		d.split(t, m.gapFrom, m.gapTo, emit)
		return
	}
	if m.rise > t.onset {
		// What came before was something weaker at its place.
		t.onset, t.timed = m.rise, false
		return
	}
	t.take(m)
	if why := d.judge(t, m, now, true); why != "" {
		t.state = rejected
		d.refuse(t, now, why)
		return
	}
	t.state = long
	d.drown(t, emit)
	t.faint, t.low = t.cn0() < faintCN0, 0
	emit(d.event(t, now, false))
}

// drown ends the faint tones that lie under a long beep: while it sounds nobody
// can tell whether they still do.
func (d *Detector) drown(t *track, emit func(Event)) {
	for i := range d.tracks {
		if o := &d.tracks[i]; o.active && o.faint && o.id != t.id && o.bin >= t.bin-6 && o.bin <= t.bin+6 && o.power < t.power {
			o.active = false
			emit(d.event(o, min(t.onset, float64(d.total)), true))
		}
	}
}

// split ends a track at a gap and lets it begin anew after it.
func (d *Detector) split(t *track, from, to float64, emit func(Event)) {
	old := *t
	t.notAfter = (from + to) / 2
	d.finish(t, from, emit)
	d.lastID++
	*t = track{
		active: true, id: d.lastID, bin: old.bin, drift: old.drift, born: int64(to) / hop * hop,
		last: d.frame, onset: to, power: old.power, recent: old.power, n0: old.n0, noise: old.noise,
	}
}

// end closes a track whose tone is gone since about that sample.
func (d *Detector) end(t *track, at float64, emit func(Event)) {
	d.finish(t, at, emit)
	d.floor.forget(t.bin)
}

// finish judges and emits a track that ended at about that sample.
func (d *Detector) finish(t *track, at float64, emit func(Event)) {
	t.active = false
	if !t.timed {
		if d.time(t, at); !t.timed {
			return
		}
	}
	if t.state == rejected {
		return
	}
	at = d.offset(t, at)
	if t.notAfter > 0 {
		at = min(at, t.notAfter)
	}
	if t.state == young {
		if at-t.onset < 0.030*workRate {
			return
		}
		isLong := at-t.onset >= (d.long-tolerance)*workRate
		m := d.measure(t.onset+min(0.008*workRate, (at-t.onset)/8), at, t.hz, t.n0)
		if isLong && m.gapTo > 0 && t.parts < 8 {
			d.finishParts(t, m, at, emit)
			return
		}
		t.take(m)
		if why := d.judge(t, m, at, isLong); why != "" {
			d.refuse(t, at, why)
			return
		}
		if isLong {
			t.state = long
			d.drown(t, emit)
		}
	}
	if t.state == long {
		d.past = pastBeep{t.id, t.hz, t.onset, at, false}
	}
	emit(d.event(t, at, true))
}

// finishParts ends a track that had a gap which nothing else has shown.
func (d *Detector) finishParts(t *track, m measured, at float64, emit func(Event)) {
	rest := *t
	middle := (m.gapFrom + m.gapTo) / 2
	t.parts++
	t.notAfter = middle
	d.finish(t, m.gapFrom, emit)
	d.lastID++
	rest.id, rest.onset, rest.fromStart, rest.timed = d.lastID, m.gapTo, false, false
	rest.notBefore = middle
	rest.parts++
	d.finish(&rest, at, emit)
}

// cutOff ends a track whose offset cannot be seen.
func (d *Detector) cutOff(t *track, emit func(Event)) {
	end := float64(d.total)
	if t.faint {
		t.active = false
		at := d.faintEnd(t)
		over := at < end-0.15*workRate
		if !over {
			at = end
		}
		emit(d.event(t, at, over))
		return
	}
	if t.low > 0 {
		d.end(t, float64(d.frame-int64(t.low)*hop)+frameLen*5/8, emit)
		return
	}
	t.active = false
	if !t.timed {
		if d.time(t, end); !t.timed {
			return
		}
	}
	if t.state == rejected || end-t.onset < 0.030*workRate {
		return
	}
	// The sound may end within the last frame's reach of the tone's end.
	if at := d.offset(t, end-0.02*workRate); at < end-0.02*workRate {
		t.timed = true
		d.finish(t, at, emit)
		return
	}
	if t.state == young {
		isLong := end-t.onset >= (d.long-tolerance)*workRate
		m := d.measure(t.onset, end, t.hz, t.n0)
		t.take(m)
		if why := d.judge(t, m, end, isLong); why != "" {
			d.refuse(t, end, why)
			return
		}
		if isLong {
			t.state = long
		}
	}
	emit(d.event(t, end, false))
}

func (t *track) take(m measured) { t.hz, t.amp = m.hz, m.amp }

func (d *Detector) event(t *track, end float64, ended bool) Event {
	if t.state == long { // a weak one's end is uncertain; that it lasted so long was seen
		end = max(end, t.onset+(d.long-tolerance)*workRate)
	}
	return Event{
		ID: t.id, Onset: d.seconds(t.onset), End: d.seconds(end), Ended: ended,
		Cut: t.fromStart, Long: t.state == long,
		FrequencyHz: t.hz, LevelDBFS: t.level(), Statistic: t.lambda, SNRdB: 10*math.Log10(max(t.cn0(), 1e-3)) - band24,
	}
}

// band24 is the width of a 24 kHz band in decibels.
const band24 = 43.8

// cn0 is the tone's power over the density of the noise before it, in Hz.
func (t *track) cn0() float64 {
	// A²/2 over 2σ²/rate, σ² being what the window made n0 of.
	return t.amp * t.amp * workRate / (4 * t.n0 / windowPower)
}
