package synth

// Mic is a microphone and what is wrong with it. The zero Mic is perfect.
type Mic struct {
	GainDB     float64
	DC         float64 // added after the gain, in units of full scale
	FloorDBFS  float64 // its own noise; 0 is none
	Clip       float64 // amplitude at which it clips; 0 is full scale
	Dead       bool    // gives zeros
	Stuck      bool    // gives the value StuckAt
	StuckAt    float64
	Dropouts   []Gap // these samples of the room's count are zero
	Unlimited  bool  // never clips
	QuantaBits int   // rounds to that many bits; 0 does not
}

type mic struct {
	Mic
	gain   float32
	offset int64 // where in the room's loops its own noise begins
}

func newMic(seed uint64) mic {
	return mic{gain: 1, offset: int64(hash(seed, 77) % loopA)}
}

func (m *mic) set(to Mic) { m.Mic, m.gain = to, float32(amplitude(to.GainDB)) }

func (m *mic) deaf() bool { return m.Dead || m.Stuck }

func (m *mic) apply(dst []float32, start int64, n *noise) {
	switch {
	case m.Dead:
		return // already zero
	case m.Stuck:
		for i := range dst {
			dst[i] = float32(m.StuckAt)
		}
		return
	}
	gain, dc := m.gain, float32(m.DC)
	if gain != 1 || dc != 0 {
		for i := range dst {
			dst[i] = dst[i]*gain + dc
		}
	}
	if m.FloorDBFS != 0 {
		w := n.white()
		w.add(dst, start+m.offset, float32(amplitude(m.FloorDBFS)))
	}
	if !m.Unlimited {
		clip := float32(m.Clip)
		if clip == 0 {
			clip = 1
		}
		for i, v := range dst {
			if v > clip {
				dst[i] = clip
			} else if v < -clip {
				dst[i] = -clip
			}
		}
	}
	if m.QuantaBits > 0 {
		m.quantise(dst)
	}
	for _, g := range m.Dropouts {
		lo, hi := max(g.At-start, 0), min(g.At+g.Length-start, int64(len(dst)))
		if lo < hi {
			clear(dst[lo:hi])
		}
	}
}

func (m *mic) quantise(dst []float32) {
	q := float32(int(1) << (m.QuantaBits - 1))
	for i, v := range dst {
		v *= q
		if v < 0 {
			v -= 0.5
		} else {
			v += 0.5
		}
		dst[i] = float32(int32(v)) / q
	}
}
