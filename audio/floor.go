package audio

import "math"

const (
	binHz = float64(workRate) / frameLen
	guard = 24 // bins beside the wanted band, for its neighbourhood

	rows     = 32 // frames of memory: 1 s
	fastRows = 4
	unity    = 16  // a normalised power of 1
	clipAt   = 255 // a normalised power of 16: a slam counts no more than that

	fastLimit = 6 * unity * fastRows // mean over 4 frames

	// least is a power per bin under which no noise is believed: −120 dBFS
	// over the whole band.
	least = 0.5e-12 * windowPower
	// windowPower is the sum of the squares of the Hann window.
	windowPower = 0.375 * frameLen
	// median of a power of noise over its mean.
	median = math.Ln2
	// tooHigh and tooLow are mean normalised powers of a second that noise never
	// has: sixteen frames that share nothing are a mean within a half of the true
	// one in all but 2 of a hundred thousand.
	tooHigh = 0.25
	tooLow  = 8
	// standsOut is a power over the median of a region's that noise has once in
	// 2^16 bins.
	standsOut = 16
)

// floor knows how loud the noise is in every bin, and how far above it the
// last second was. A bin's floor is a running median: each frame moves it by a
// small step up or down. Where a whole neighbourhood has become louder or
// quieter, steps are large; where a track stands, there are none.
type floor struct {
	lo     int // first bin of the slices below
	a, b   int // the wanted band, as indices
	inv    []float32
	hist   []uint8 // rows × bins, clipped and in units of 1/unity
	fast   []int32 // sums over fastRows
	slow   []int32 // sums over rows
	row    int
	frames int
	known  int    // frames in a row of which all samples were there
	loud   []bool // per region: most of it was loud two frames ago
	quiet  []bool // per region: most of it was quiet two frames ago
	saved  [maxTracks][2*wide + 1]float32
}

// wide is how far to each side a tone reaches.
const wide = 4

func newFloor(lo, hi int) *floor {
	first, last := max(2, lo-guard), min(frameLen/2-2, hi+guard)
	n := last - first
	f := &floor{
		lo: first, a: lo - first, b: min(hi, last) - first,
		inv: make([]float32, n), hist: make([]uint8, rows*n), fast: make([]int32, n), slow: make([]int32, n),
		loud: make([]bool, n/32+1), quiet: make([]bool, n/32+1),
	}
	f.reset()
	return f
}

func (f *floor) reset() {
	f.row, f.frames, f.known = 0, 0, 0
	clear(f.loud)
	clear(f.quiet)
	for i := range f.fast {
		f.fast[i], f.slow[i] = unity*fastRows, unity*rows
	}
	for i := range f.hist {
		f.hist[i] = unity
	}
}

// hold keeps the floor under tracks as it is; release puts it back.
func (f *floor) hold(tracks *[maxTracks]track) {
	for i := range tracks {
		if t := &tracks[i]; t.active {
			copy(f.saved[i][:], f.inv[t.bin-wide:t.bin+wide+1])
		}
	}
}

func (f *floor) release(tracks *[maxTracks]track) {
	for i := range tracks {
		if t := &tracks[i]; t.active {
			copy(f.inv[t.bin-wide:], f.saved[i][:])
		}
	}
}

// update takes a frame in and reports whether anything stands out. A frame
// that is not known counts as noise and teaches nothing.
func (f *floor) update(power []float32, known bool) (seen bool) {
	n := len(f.inv)
	now := f.hist[f.row*n : f.row*n+n]
	old := f.hist[((f.row+rows-fastRows)%rows)*n:][:n]
	f.row = (f.row + 1) % rows
	if f.known++; !known {
		f.known = 0
		for i := range now {
			f.fast[i] += unity - int32(old[i])
			f.slow[i] += unity - int32(now[i])
			now[i] = unity
		}
		return false
	}
	if f.frames == 0 {
		f.begin(power)
	}
	step := max(0.01, 0.3/float32(f.frames+1))
	f.frames++
	factor := [2]float32{1 + step, 1 / (1 + step)}
	inv, fast, slow := f.inv[:len(power)], f.fast[:len(power)], f.slow[:len(power)]
	now, old = now[:len(power)], old[:len(power)]
	stands := int32(0)
	for i, p := range power {
		r := p * inv[i]
		k := 0
		if r > median {
			k = 1
		}
		inv[i] *= factor[k]
		q := int32(min(r*unity, clipAt))
		a := fast[i] + q - int32(old[i])
		b := slow[i] + q - int32(now[i])
		fast[i], slow[i], now[i] = a, b, uint8(q)
		stands |= fastLimit - 1 - a
	}
	if f.frames&1 == 0 {
		f.regions(power, now)
	}
	return stands < 0
}

// begin takes the first frame's median around each bin for the floor.
func (f *floor) begin(power []float32) {
	var near [2*guard + 1]float32
	for i := range f.inv {
		lo, hi := max(0, i-guard), min(len(power), i+guard+1)
		m := medianOf(near[:copy(near[:], power[lo:hi])])
		f.inv[i] = 1 / max(m/median, least)
	}
}

// regions moves the floor of 32 neighbours at once where most of them say so:
// three eighths, if it is so in the whole band, else three quarters, since a
// loud tone's skirts fill half of a region. A tone's sudden onset is loud
// everywhere, but only once. A clipped one stays so: what stands out of a region
// that has become louder keeps its past, or no track would be opened on it
// before the floor has come up to all that sounds beside.
func (f *floor) regions(power []float32, now []uint8) {
	all := 0
	for _, q := range now {
		if q > 2*unity {
			all++
		}
	}
	share := 6
	if all*8 > len(now)*3 {
		share = 3
	}
	for lo := 0; lo+16 <= len(now); lo += 32 {
		hi := min(lo+32, len(now))
		loud, some := 0, 0
		for _, q := range now[lo:hi] {
			if q > 2*unity {
				loud++
			}
			if q > unity/4 {
				some++
			}
		}
		was, wasQuiet := f.loud[lo/32], f.quiet[lo/32]
		f.quiet[lo/32] = some*3 < hi-lo
		f.loud[lo/32] = loud*8 > (hi-lo)*share
		g := float32(1)
		switch {
		case f.loud[lo/32] && was:
			g = 1 / 1.5
		case f.quiet[lo/32] && wasQuiet:
			g = 1.5
		default:
			continue
		}
		for i := lo; i < hi; i++ {
			f.inv[i] = min(f.inv[i]*g, 1/least)
		}
		if g < 1 {
			// The rest was measured against another floor.
			var near [32]float32
			tone := standsOut * medianOf(near[:copy(near[:], power[lo:hi])])
			from := lo
			for i := lo; i < hi; i++ {
				if power[i] >= tone {
					f.clear(from, i)
					from = i + 1
				}
			}
			f.clear(from, hi)
		}
	}
}

// settle puts right the floor of bins that the last second proves wrong; sum is
// the power of each bin in that second. A loud sound leaves such bins behind: a
// whole region went up and down, but those under tracks did not, and single
// steps would take half a minute.
func (f *floor) settle(sum []float64) {
	if f.known < rows {
		return
	}
	for i, q := range f.slow {
		mean := float32(max(sum[i], least*rows) / rows)
		r := mean * f.inv[i]
		switch {
		case r < tooHigh:
			f.inv[i] = 1 / mean
		case r > tooLow && q > tooLow*unity*rows:
			// Most frames say so, not one slam. Unless it is a tone.
			around, n := 0.0, 0
			for k := max(0, i-guard); k < min(len(sum), i+guard+1); k++ {
				if k < i-wide || k > i+wide {
					around += sum[k]
					n++
				}
			}
			if sum[i]*float64(n) < 4*around {
				f.inv[i] = 1 / mean
				f.clear(i, i+1)
			}
		}
	}
}

// forget makes the past second of the bins around one look like noise.
func (f *floor) forget(bin int) { f.clear(max(0, bin-wide), min(len(f.inv), bin+wide+1)) }

func (f *floor) clear(lo, hi int) {
	for r := range rows {
		h := f.hist[r*len(f.inv)+lo : r*len(f.inv)+hi]
		for i := range h {
			h[i] = unity
		}
	}
	for i := lo; i < hi; i++ {
		f.fast[i], f.slow[i] = unity*fastRows, unity*rows
	}
}

// ago is the normalised power of a bin some frames ago, 0 being the latest.
func (f *floor) ago(bin, frames int) int32 {
	return int32(f.hist[((f.row-1-frames+2*rows)%rows)*len(f.inv)+bin])
}

// noise is the mean noise power of the bins around one, the bin left out.
func (f *floor) noise(bin int) float64 {
	var near [33]float32
	n := 0
	for i := max(0, bin-16); i <= min(len(f.inv)-1, bin+16); i++ {
		if i < bin-wide || i > bin+wide {
			near[n] = f.inv[i]
			n++
		}
	}
	return 1 / float64(medianOf(near[:n]))
}

// stands: a bin is 9 dB over the median of the bins around it.
func stands(power []float32, bin int) bool {
	limit := power[bin] / 8
	n, under := 0, 0
	count := func(x []float32) {
		for _, p := range x {
			if p <= limit {
				under++
			}
		}
		n += len(x)
	}
	count(power[max(0, bin-guard):max(0, bin-wide)])
	if bin+wide+1 < len(power) {
		count(power[bin+wide+1 : min(len(power), bin+guard+1)])
	}
	return under > n/2
}

// medianOf reorders x (Hoare's selection).
func medianOf(x []float32) float32 {
	lo, hi, k := 0, len(x)-1, len(x)/2
	for lo < hi {
		v, i, j := x[(lo+hi)/2], lo, hi
		for i <= j {
			for x[i] < v {
				i++
			}
			for x[j] > v {
				j--
			}
			if i <= j {
				x[i], x[j] = x[j], x[i]
				i++
				j--
			}
		}
		if k <= j {
			hi = j
		} else if k >= i {
			lo = i
		} else {
			break
		}
	}
	return x[k]
}

// hann is the periodic Hann window.
func hann(n int) []float32 {
	w := make([]float32, n)
	for i := range w {
		w[i] = float32(0.5 - 0.5*math.Cos(2*math.Pi*float64(i)/float64(n)))
	}
	return w
}
