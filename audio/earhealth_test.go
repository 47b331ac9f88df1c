package audio_test

import (
	"context"
	"maps"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"resetrig/audio"
	"resetrig/pcm"
	"resetrig/pcm/synth"
)

// TestHealth: every finding has a sound that raises it and nothing else, and a
// healthy microphone in a usual room raises none.
func TestHealth(t *testing.T) {
	noise := func(db float64) func(*roomSource) {
		return func(s *roomSource) { s.room.SetNoise(synth.NoiseSpec{White: db}) }
	}
	mic := func(m synth.Mic) func(*roomSource) {
		return func(s *roomSource) { s.room.SetMic(m) }
	}
	beep := func(on, length, level float64) func(*roomSource) {
		return func(s *roomSource) { s.room.Add(beepAt(s.room, on, length, level)) }
	}
	for name, c := range map[string]struct {
		set     func(s *roomSource)
		want    string // the one finding, or several, or nothing
		unfit   bool
		says    string
		noise   float64 // calibrated; 0 is −61, 1 unknown
		seconds float64 // 0 is 10
		level   float64 // calibrated; 0 is −25
	}{
		"fine":      {set: func(*roomSource) {}},
		"fine beep": {set: beep(3, 2, -25)},
		"a longer, louder room": {set: func(s *roomSource) {
			s.room.AddSound(0, synth.Speech(rate, 1, 30, -30))
			s.room.AddSound(s.room.Samples(8), synth.Slam(rate, 1, -6, 0.05, 3000))
		}, seconds: 30},
		"quiet, as it was":  {set: mic(synth.Mic{GainDB: -50, QuantaBits: 16, FloorDBFS: -91}), noise: -90},
		"quieter than most": {set: mic(synth.Mic{GainDB: -60, QuantaBits: 24, FloorDBFS: -110}), noise: -108},
		"dead":              {set: mic(synth.Mic{Dead: true}), want: "dead", unfit: true, says: "digital silence"},
		"stuck":             {set: mic(synth.Mic{Stuck: true, StuckAt: 0.3}), want: "stuck", unfit: true, says: "0.300"},
		"nearly silent":     {set: mic(synth.Mic{GainDB: -60}), want: "silent", unfit: true, says: "microphone's own noise"},
		"noise clips":       {set: noise(2), want: "clipping", unfit: true, noise: 1, level: -6},
		"beep clips":        {set: beep(3, 3, 12), want: "beep-level clipping", says: "+27 dB"},
		"one slam clips": {set: func(s *roomSource) {
			s.room.AddSound(s.room.Samples(3), synth.Slam(rate, 1, 20, 0.1, 3000))
		}, want: "clipping"},
		"constant":   {set: mic(synth.Mic{DC: 0.2}), want: "dc", says: "0.20"},
		"small loss": {set: func(s *roomSource) { s.loses[32000] = 800 }, want: "dropouts", says: "50 ms"},
		"large loss": {set: func(s *roomSource) { s.loses[32000] = 8000 }, want: "dropouts", unfit: true},
		"zeros":      {set: mic(synth.Mic{Dropouts: []synth.Gap{{At: 50000, Length: 800}, {At: 80000, Length: 160}}}), want: "dropouts", says: "60 ms lost"},
		"some zeros": {set: mic(synth.Mic{Dropouts: []synth.Gap{{At: 50000, Length: 2000}, {At: 80000, Length: 3300}}}), want: "dropouts"},
		"long zeros": {set: mic(synth.Mic{Dropouts: []synth.Gap{{At: 50000, Length: 4800}}}), want: "dropouts", unfit: true, says: "300 ms"},
		"nobody's":   {set: beep(3, 2, -68)},
		"many zeros": {set: mic(synth.Mic{Dropouts: []synth.Gap{
			{At: 50000, Length: 3200}, {At: 60000, Length: 3200}, {At: 70000, Length: 3200}, {At: 80000, Length: 3200}, {At: 90000, Length: 3200}, {At: 100000, Length: 3200}}}), want: "dropouts", unfit: true},
		"moved":       {set: mic(synth.Mic{GainDB: -25}), want: "level", says: "dB from that of the calibration"},
		"drift":       {set: func(s *roomSource) { s.fast = 2000 }, want: "drift", says: "2000 ppm", seconds: 40},
		"no drift":    {set: func(s *roomSource) { s.fast = -100 }, seconds: 40},
		"far":         {set: beep(2, 2, -42), want: "beep-level", says: "-17 dB"},
		"fading away": {set: beep(2, 2, -33), want: "beep-level", says: "-8 dB"},
		"whine": {set: func(s *roomSource) {
			s.room.Add(synth.Tone{FrequencyHz: 3130, LevelDBFS: -45})
		}, want: "whine", says: "3130 Hz"},
		"whine outside": {set: func(s *roomSource) { s.room.Add(synth.Tone{FrequencyHz: 3600, LevelDBFS: -50}) }},
		"gain":          {set: beep(2, 2, -25), want: "gain", says: "automatic gain"},
		"loud room":     {set: noise(-27), want: "noise", says: "4 dB over", noise: -27, level: -45},
		"too loud room": {set: noise(-21), want: "noise", unfit: true, noise: -21, level: -45},
	} {
		t.Run(name, func(t *testing.T) {
			s := newSource(2)
			c.set(s)
			var source audio.Source = s
			if name == "gain" {
				source = &gained{roomSource: s}
			}
			switch c.noise {
			case 0:
				c.noise = -61
			case 1:
				c.noise = 0
			}
			if c.seconds == 0 {
				c.seconds = 10
			}
			p := profile
			if c.level != 0 {
				p.LevelDBFS = c.level
			}
			e, err := audio.NewEar(source, rate, p, c.noise)
			if err != nil {
				t.Fatal(err)
			}
			if err := e.Begin(t.Context(), ""); err != nil {
				t.Fatal(err)
			}
			_, found := listen(t, e, s, c.seconds)
			want := strings.Fields(c.want)
			if got := slices.Sorted(maps.Keys(found)); !slices.Equal(got, want) {
				t.Errorf("found %v, want %v", found, want)
			}
			if len(want) == 0 {
				return
			}
			if f := found[want[0]]; f.Unfit != c.unfit || !strings.Contains(f.Detail, c.says) {
				t.Errorf("unfit %v, %q; want %v and %q in it", f.Unfit, f.Detail, c.unfit, c.says)
			}
		})
	}
}

// TestDeadIsToldInTime: wherever in a second the sound stops, it is told within
// 2.5 s of the last sample that was sound.
func TestDeadIsToldInTime(t *testing.T) {
	for name, to := range map[string]synth.Mic{"dead": {Dead: true}, "stuck": {Stuck: true, StuckAt: -0.2}, "silent": {GainDB: -70}} {
		for _, stop := range []float64{3, 3.26, 3.54, 3.98} {
			s := newSource(4)
			e := newEar(t, s, 0)
			if err := e.Begin(t.Context(), ""); err != nil {
				t.Fatal(err)
			}
			told := 0.0
			for at := 0.02; at < stop+4 && told == 0; at += 0.02 {
				if at > stop {
					s.room.SetMic(to)
				}
				h, err := e.Listen(t.Context(), s.at(at))
				if err != nil {
					t.Fatal(err)
				}
				for _, f := range h.Findings {
					if f.Name != name || !f.Unfit {
						t.Errorf("%s from %.2f s: %+v", name, stop, f)
					}
					told = at
				}
			}
			if late := told - stop; late < 1.4 || late > 2.4 {
				t.Errorf("%s from %.2f s is told after %.2f s", name, stop, late)
			}
		}
	}
}

// gained is a source behind a microphone with automatic gain.
type gained struct {
	*roomSource
	env float64
}

func (g *gained) Read(ctx context.Context, until time.Time, emit func(pcm.Block)) error {
	return g.roomSource.Read(ctx, until, func(b pcm.Block) {
		for i, v := range b.Samples {
			g.env += (math.Abs(float64(v)) - g.env) / (0.05 * rate)
			b.Samples[i] = float32(float64(v) / (1 + 30*g.env))
		}
		emit(b)
	})
}
