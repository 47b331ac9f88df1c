package audio

// bridge is the longest loss inside a beep that does not end it, in seconds.
const bridge = 0.25

// shortestHole is the shortest run of exact zeros that is taken for a loss.
const shortestHole = 32

// holes remembers where samples are missing: what was declared lost, and runs
// of exact zeros, which a sound card that lost a buffer gives. In sound that
// has been digitally silent for a good part of its time zeros mean silence.
type holes struct {
	list    [16]hole // in order, oldest first
	n       int
	share   float64 // of zeros, over the last seconds
	hops    int
	scanned int64
}

type hole struct {
	from, to int64
	declared bool
}

func (h *holes) reset() { *h = holes{} }

func (h *holes) add(from, to int64, declared bool) {
	if h.n > 0 && from <= h.list[h.n-1].to {
		last := &h.list[h.n-1]
		last.from, last.to = min(last.from, from), max(last.to, to)
		last.declared = last.declared || declared
		return
	}
	if h.n == len(h.list) {
		copy(h.list[:], h.list[1:])
		h.n--
	}
	h.list[h.n] = hole{from, to, declared}
	h.n++
}

// scan looks for zeros in the samples of the frame that are new.
func (h *holes) scan(d *Detector) {
	end := d.frame + frameLen
	from := max(h.scanned, d.frame)
	zero := int64(0)
	for i := from; i < end; i += 16 {
		if d.ring[i&(ringLen-1)] != 0 {
			continue
		}
		a, b := i, i+1
		for a > max(d.oldest(), i-64) && d.ring[(a-1)&(ringLen-1)] == 0 {
			a--
		}
		for b < end && d.ring[b&(ringLen-1)] == 0 {
			b++
		}
		if b-a >= shortestHole {
			h.add(a, b, false)
			zero += b - max(a, from)
			i = max(i, (b-1)/16*16)
		}
	}
	if n := end - from; n > 0 {
		h.hops++
		k := max(1.0/64, 1/float64(h.hops))
		h.share += (float64(zero)/float64(n) - h.share) * k
	}
	h.scanned = end
}

// silent: zeros are silence here, no loss.
func (h *holes) silent() bool { return h.share > 0.2 }

// missing is how many of the samples [from, to) are missing.
func (h *holes) missing(from, to int64) int64 {
	n := int64(0)
	for i := h.n - 1; i >= 0 && h.list[i].to > from; i-- {
		x := h.list[i]
		if (x.declared || !h.silent()) && float64(x.to-x.from) <= bridge*workRate {
			n += max(0, min(to, x.to)-max(from, x.from))
		}
	}
	return n
}

// known: enough of the frame is there to learn from it.
func (h *holes) known(frame int64) bool { return h.missing(frame, frame+frameLen) <= frameLen/4 }
