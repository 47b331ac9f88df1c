package config

import (
	"fmt"
	"reflect"
	"strconv"
	"strings"
	"time"
)

// Calibration is what one bench's ear has learned. A file without the keys that
// came later loads as well: what is zero is not known.
type Calibration struct {
	Bench      string        `yaml:"bench" jsonschema_description:"the bench that it was learned on"`
	Device     string        `yaml:"device" jsonschema_description:"the microphone that it was learned with"`
	Frequency  Hertz         `yaml:"frequency" jsonschema:"required" jsonschema_description:"the beep's frequency, like 2730Hz"`
	Level      DBFS          `yaml:"level" jsonschema:"required" jsonschema_description:"its level at this microphone, like -20dBFS"`
	Long       time.Duration `yaml:"long" jsonschema_description:"how long a beep must last to be long; 1s unless said otherwise"`
	Length     time.Duration `yaml:"length" jsonschema_description:"how long the beep was that it was learned from"`
	Harmonics  []Decibels    `yaml:"harmonics" jsonschema_description:"the levels of the 2nd, 3rd and further partials over the fundamental's, like [-18dB, -12dB]"`
	NoiseFloor DBFS          `yaml:"noise-floor" jsonschema_description:"the room's level without the beep, in the whole band, like -62dBFS"`
	NoiseBand  DBFS          `yaml:"noise-band" jsonschema_description:"its level within the frequency's tolerance of the beep, like -85dBFS"`
	Margin     Decibels      `yaml:"margin" jsonschema_description:"how much more noise would still do, like 30dB"`
	Beeps      int           `yaml:"beeps" jsonschema:"minimum=0" jsonschema_description:"from how many beeps it was learned"`
	Spread     *Spread       `yaml:"spread" jsonschema_description:"between the furthest of the beeps"`
	Thresholds *Thresholds   `yaml:"thresholds" jsonschema_description:"what the detector makes of it: for the reader, and for check, which says when they are those of another version"`
	// File is the name that the calibration was loaded from.
	File string `yaml:"-"`
}

// Spread is how much the beeps differed that a calibration was learned from.
type Spread struct {
	Frequency HertzApart    `yaml:"frequency" jsonschema_description:"of the frequencies, like 0.4Hz"`
	Level     Decibels      `yaml:"level" jsonschema_description:"of the levels, like 0.5dB"`
	Length    time.Duration `yaml:"length" jsonschema_description:"of the lengths, like 12ms"`
}

// Thresholds are the detector's limits for the calibrated beep.
type Thresholds struct {
	Frequency  Percent       `yaml:"frequency" jsonschema_description:"how far a tone may be beside the frequency, each way, like 2.5%"`
	Drift      Percent       `yaml:"drift" jsonschema_description:"how much of its frequency a tone may drift while it lasts, like 0.4%"`
	LevelBelow Decibels      `yaml:"level-below" jsonschema_description:"how much weaker than the level it may be, like 9.5dB"`
	LevelAbove Decibels      `yaml:"level-above" jsonschema_description:"how much louder, like 12dB"`
	Density    DBHz          `yaml:"least" jsonschema_description:"the power over the noise in 1 Hz from which a beep of 2 s is heard in 99 of 100 cases, like 16.8dB-Hz"`
	Energy     Decibels      `yaml:"energy" jsonschema_description:"the energy over the noise in 1 Hz that a weak tone must have, like 15dB"`
	FalseAlarm time.Duration `yaml:"false-alarm-every" jsonschema_description:"how rarely noise alone has as much, extrapolated from a measured tail, like 720h"`
}

// Numbers that only calibrations have. All may be zero.
type (
	Decibels   float64 // 9.5dB
	DBHz       float64 // 16.8dB-Hz
	Percent    float64 // 2.5%
	HertzApart float64 // 0.4Hz: a difference of frequencies
)

// UnmarshalText reads a ratio.
func (v *Decibels) UnmarshalText(b []byte) error {
	return (*float)(v).read(b, "ratio", "9.5dB", "dB")
}

// UnmarshalText reads a ratio to the noise in 1 Hz.
func (v *DBHz) UnmarshalText(b []byte) error {
	return (*float)(v).read(b, "ratio to the noise in 1 Hz", "16.8dB-Hz", "dB-Hz")
}

// UnmarshalText reads a share.
func (v *Percent) UnmarshalText(b []byte) error { return (*float)(v).read(b, "share", "2.5%", "%") }

// UnmarshalText reads a difference of frequencies.
func (v *HertzApart) UnmarshalText(b []byte) error {
	return (*float)(v).read(b, "difference of frequencies", "0.4Hz", "Hz")
}

// float is a number with one unit.
type float float64

func (f *float) read(b []byte, kind, example, name string) error {
	v, err := quantity(string(b), kind, example, []unit{{name, 1}})
	*f = float(v)
	return err
}

// LoadCalibration reads a calibration file. The error is Problems.
func LoadCalibration(name string, data []byte) (*Calibration, error) {
	d, usable := open(name, data)
	c := &Calibration{File: name, Long: time.Second}
	if usable {
		d.load(d.root, nil, c)
		d.rules(reflect.ValueOf(c), nil)
		d.beep(c.Frequency, c.Long, nil)
		if c.NoiseFloor != 0 && c.NoiseFloor >= c.Level {
			d.bad(at("noise-floor"), fmt.Sprintf("the room at %s drowns a beep at %s", format(float64(c.NoiseFloor), "dBFS"), format(float64(c.Level), "dBFS")), "calibrate again: move the microphone, or lower its gain if it clips")
		}
	}
	if len(d.problems) > 0 {
		return nil, d.problems.sorted()
	}
	return c, nil
}

// YAML is the calibration as LoadCalibration reads it.
func (c Calibration) YAML() []byte {
	y := &lines{}
	y.text("bench", c.Bench)
	y.text("device", c.Device)
	y.number("frequency", float64(c.Frequency), "Hz")
	y.number("level", float64(c.Level), "dBFS")
	y.duration("long", c.Long)
	y.duration("length", c.Length)
	if len(c.Harmonics) > 0 {
		var list []string
		for _, h := range c.Harmonics {
			list = append(list, string(format(float64(h), "dB")))
		}
		y.line("harmonics", "["+strings.Join(list, ", ")+"]")
	}
	y.number("noise-floor", float64(c.NoiseFloor), "dBFS")
	y.number("noise-band", float64(c.NoiseBand), "dBFS")
	y.number("margin", float64(c.Margin), "dB")
	if c.Beeps > 0 {
		y.line("beeps", strconv.Itoa(c.Beeps))
	}
	if s := c.Spread; s != nil {
		y.in("spread")
		y.line("frequency", string(format(float64(s.Frequency), "Hz")))
		y.line("level", string(format(float64(s.Level), "dB")))
		y.line("length", short(s.Length))
		y.indent = ""
	}
	if t := c.Thresholds; t != nil {
		y.in("thresholds")
		y.number("frequency", float64(t.Frequency), "%")
		y.number("drift", float64(t.Drift), "%")
		y.number("level-below", float64(t.LevelBelow), "dB")
		y.number("level-above", float64(t.LevelAbove), "dB")
		y.number("least", float64(t.Density), "dB-Hz")
		y.number("energy", float64(t.Energy), "dB")
		y.duration("false-alarm-every", t.FalseAlarm)
	}
	return []byte(y.b.String())
}

// lines are keys with values; those that are zero are left out.
type lines struct {
	b      strings.Builder
	indent string
}

func (y *lines) in(key string) {
	fmt.Fprintf(&y.b, "%s:\n", key)
	y.indent = "  "
}

func (y *lines) line(key, value string) { fmt.Fprintf(&y.b, "%s%s: %s\n", y.indent, key, value) }

// text writes a text as a YAML scalar: Go's quotes are YAML's.
func (y *lines) text(key, v string) {
	if v != "" {
		y.line(key, strconv.Quote(v))
	}
}

func (y *lines) number(key string, v float64, unit string) {
	if v != 0 {
		y.line(key, string(format(v, unit)))
	}
}

func (y *lines) duration(key string, d time.Duration) {
	if d != 0 {
		y.line(key, short(d))
	}
}

// short is a duration without the zeros that Go writes behind hours and minutes.
func short(d time.Duration) string {
	t := d.String()
	if strings.HasSuffix(t, "m0s") {
		t = strings.TrimSuffix(t, "0s")
	}
	if strings.HasSuffix(t, "h0m") {
		t = strings.TrimSuffix(t, "0m")
	}
	return t
}
