package config

import (
	_ "embed"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"time"

	"go.yaml.in/yaml/v4"

	"resetrig/rig"
)

// Bench is a bench file: one DUT and what is wired to it.
type Bench struct {
	Name     string    `yaml:"bench" jsonschema:"required,pattern=^[A-Za-z0-9][A-Za-z0-9._-]*$" jsonschema_description:"the bench's name: letters, digits, dots and dashes, since files are named after it"`
	DUT      DUT       `yaml:"dut" jsonschema:"required" jsonschema_description:"the device under test: model, serial, url …"`
	Relays   Relays    `yaml:"relays" jsonschema_description:"the relays by name; a simulated bench without them has power and reset"`
	Senses   Senses    `yaml:"senses" jsonschema_description:"independent witnesses of relays, power and network, by name"`
	Ear      *Ear      `yaml:"ear" jsonschema_description:"the microphone"`
	Soak     Soak      `yaml:"soak" jsonschema_description:"when a series of cycles stops"`
	Evidence *Evidence `yaml:"evidence" jsonschema_description:"which cycles leave their sound and transcript, and how much of the disk that may take"`
	Simulate *Simulate `yaml:"simulate" jsonschema_description:"makes this a simulated bench"`
	// File is the name that the bench was loaded from.
	File string `yaml:"-"`
}

// DUT is the device under test as a bench file describes it.
type DUT struct {
	Model      string     `yaml:"model" jsonschema:"required" jsonschema_description:"the name of a shipped model, or the path of a model file, relative to the bench file"`
	Serial     string     `yaml:"serial" jsonschema:"pattern=^[A-Za-z0-9-]{4\\,64}$" jsonschema_description:"the serial number on the label: 4 to 64 letters, digits and dashes"`
	MAC        string     `yaml:"mac" jsonschema:"pattern=^[0-9A-Fa-f]{2}([:-][0-9A-Fa-f]{2}){5}$" jsonschema_description:"the network address on the label, like 3c:ef:8c:01:02:03"`
	URL        string     `yaml:"url" jsonschema:"pattern=^https?://[^@?#]+$" jsonschema_description:"where the recorder answers, like http://192.168.1.50"`
	AfterReset AfterReset `yaml:"after-reset" jsonschema_description:"where the recorder is after a reset, if that is elsewhere"`
	Discovery  string     `yaml:"discovery" jsonschema:"pattern=^(off|[^ ]+:[0-9]+)$" jsonschema_description:"where searches for the recorder are sent, like 255.255.255.255:37810 (the default), or off"`
	Interface  string     `yaml:"interface" jsonschema:"pattern=^[^ /]{1\\,15}$" jsonschema_description:"the rig's network interface towards the recorder, like eth1: at most 15 characters"`
	Login      Login      `yaml:"login" jsonschema_description:"the login that is known before the first cycle"`
	Baseline   string     `yaml:"baseline" jsonschema_description:"the file with the configuration right after a reset, relative to the bench file"`
	Firmware   string     `yaml:"firmware" jsonschema_description:"the version that the recorder must have"`
}

// AfterReset is what differs after a reset.
type AfterReset struct {
	URL string `yaml:"url" jsonschema:"required,pattern=^https?://[^@?#]+$" jsonschema_description:"where the recorder answers after a reset, like http://192.168.1.108"`
}

// Login is a known login. Password is final: a variable or file that it names
// has been read.
type Login struct {
	User         string     `yaml:"user" jsonschema:"required" jsonschema_description:"the user's name, like admin"`
	Password     rig.Secret `yaml:"password" jsonschema_description:"the password; ${NVR_PW} takes it from the environment"`
	PasswordFile string     `yaml:"password-file" jsonschema_description:"a file with the password alone in it, relative to the bench file"`
}

// Relay is one actuator.
type Relay struct {
	Name   string `yaml:"-"`
	Pin    string `yaml:"pin" jsonschema:"pattern=^[^ ]+$" jsonschema_description:"the line: its name, like GPIO23, chip and offset, like gpiochip0:23, or an expander's pin, like tca9534@1:0x20/3"`
	Driver string `yaml:"driver" jsonschema:"enum=cdev,enum=periph,enum=i2c,enum=web" jsonschema_description:"cdev is the kernel's character device, i2c a port expander, web a switch on the network, periph for pins that only its host drivers know; left out, it is web for an address, i2c for a pin with an @, and else cdev"`
	Active string `yaml:"active" jsonschema:"enum=high,enum=low" jsonschema_description:"high or low: the level of the pin that energises the relay. Boards differ: its page or the label at its inputs tells, and resetrig check --exercise proves it"`
	// Contact is "no" or "nc": the contact that the DUT is wired to.
	Contact string `yaml:"contact" jsonschema:"enum=no,enum=nc,default=no" jsonschema_description:"the contact that is wired: no closes when the relay is energised, nc opens"`
	// Safe is filled in: off for a press; as the file says, or keep, for power.
	Safe rig.SafeState `yaml:"safe" jsonschema:"enum=off,enum=keep" jsonschema_description:"what the relay does when nobody needs it. A press is always off; power is keep unless it says off, because a cut in the middle of a flash write can brick a recorder"`
	// Role is filled in: power for a relay of that name, else press.
	Role    rig.Role      `yaml:"role" jsonschema:"enum=power,enum=press" jsonschema_description:"power or press; left out, the relay named power is power and every other is a press"`
	MinOff  time.Duration `yaml:"min-off" jsonschema_description:"once off, it stays off at least so long"`
	MinOn   time.Duration `yaml:"min-on" jsonschema_description:"once on, it stays on at least so long"`
	MaxOn   time.Duration `yaml:"max-on" jsonschema_description:"the dead man switches it off after this; 40s for a press that says nothing, 5m at most for a press"`
	PerHour int           `yaml:"per-hour" jsonschema:"minimum=1" jsonschema_description:"how often it may be switched on in any hour"`
	Settle  time.Duration `yaml:"settle" jsonschema_description:"until the contact has followed; 50ms unless said otherwise, 2s at most"`
	Life    int           `yaml:"life" jsonschema:"minimum=1" jsonschema_description:"the operations that it is rated for; 100000 unless said otherwise"`
}

// Spec is the relay as the rig sees it: its role and its guards.
func (r Relay) Spec() rig.RelaySpec {
	return rig.RelaySpec{Name: r.Name, Role: r.Role, Safe: r.Safe, MinOff: r.MinOff, MinOn: r.MinOn,
		MaxOn: r.MaxOn, PerHour: r.PerHour, Settle: r.Settle, Life: r.Life}
}

// Sense is an independent witness. Exactly one of Pin, I2C, TCP and Carrier is set.
type Sense struct {
	Name string `yaml:"-"`
	Of   string `yaml:"of" jsonschema:"required" jsonschema_description:"what it witnesses: the name of a relay, or network"`

	Pin      string        `yaml:"pin" jsonschema:"pattern=^[^ ]+$" jsonschema_description:"an input line, like GPIO25"`
	Active   string        `yaml:"active" jsonschema:"enum=high,enum=low" jsonschema_description:"high or low: the level of the pin that means powered or shorted"`
	Bias     string        `yaml:"bias" jsonschema:"enum=none,enum=pull-up,enum=pull-down" jsonschema_description:"the pin's own resistor: none, pull-up or pull-down; left out, it stays as it is"`
	Debounce time.Duration `yaml:"debounce" jsonschema_description:"changes shorter than this are ignored, like 5ms"`

	I2C     string     `yaml:"i2c" jsonschema:"pattern=^[^ ]+$" jsonschema_description:"the bus of an INA219, like \"1\""`
	Address I2CAddress `yaml:"address" jsonschema_description:"its address, like 0x40"`
	Shunt   Ohms       `yaml:"shunt" jsonschema_description:"its shunt, like 100mOhm"`
	Over    Amperes    `yaml:"over" jsonschema_description:"the current above which the DUT is powered, like 200mA"`

	TCP     string `yaml:"tcp" jsonschema:"pattern=^[^ ]+:[0-9]+$" jsonschema_description:"a host and port that answer when the network is there, like 192.168.1.1:80"`
	Carrier string `yaml:"carrier" jsonschema:"pattern=^[^ /]{1\\,15}$" jsonschema_description:"a network interface whose link is looked at, like eth1"`
}

// Ear is the microphone of a bench.
type Ear struct {
	Device  string `yaml:"device" jsonschema_description:"a part of the sound card's name, like USB PnP; resetrig check lists them"`
	Channel int    `yaml:"channel" jsonschema:"minimum=0,maximum=31" jsonschema_description:"the channel, from 0"`
	// Beep is nil where the file says nothing: then Calibration or the model tells.
	Beep        *Beep  `yaml:"beep" jsonschema_description:"the long beep, where there is no calibration file"`
	Calibration string `yaml:"calibration" jsonschema_description:"the file that resetrig calibrate wrote, relative to the bench file"`
}

// Beep is what the long beep sounds like.
type Beep struct {
	Frequency Hertz         `yaml:"frequency" jsonschema:"required" jsonschema_description:"its frequency, like 2730Hz"`
	Level     DBFS          `yaml:"level" jsonschema:"required" jsonschema_description:"its level at this microphone, like -20dBFS"`
	Long      time.Duration `yaml:"long" jsonschema_description:"how long a beep must last to be long; 1s unless said otherwise"`
}

// Soak says when a series stops, and how often an error is tried again.
type Soak struct {
	StopAfterFails  int `yaml:"stop-after-fails" jsonschema:"minimum=0" jsonschema_description:"stop after so many fails in a row; 3 unless said otherwise, 0 never"`
	StopAfterErrors int `yaml:"stop-after-errors" jsonschema:"minimum=0" jsonschema_description:"stop after so many errors in a row; 5 unless said otherwise, 0 never"`
	Retries         int `yaml:"retries" jsonschema:"minimum=0,maximum=10" jsonschema_description:"how often a cycle that ended in an error is tried again; 1 unless said otherwise"`

	StopAfterInterruptions int      `yaml:"stop-after-interruptions" jsonschema:"minimum=0" jsonschema_description:"do not go on after so many cycles in a row died with the program in the same phase; 3 unless said otherwise, 0 always"`
	Controls               []string `yaml:"controls" jsonschema_description:"the controls that soaks mix in, unless their plan names others: names of shipped scenarios, or files, relative to the bench file"`
	ControlsEvery          int      `yaml:"controls-every" jsonschema:"minimum=0" jsonschema_description:"after how many cycles a control is mixed in; 0 is at the start only"`
	Webhook                *Webhook `yaml:"webhook" jsonschema_description:"who is told of fails, stops, ends and errors of the rig"`
}

// Webhook is an address that is told of what happens in a soak. URL is final: a
// variable that it names has been read. It is a secret, since such addresses
// often hold a token.
type Webhook struct {
	URL  rig.Secret `yaml:"url" jsonschema:"required" jsonschema_description:"where a POST is sent; ${RESETRIG_WEBHOOK} takes it from the environment"`
	Form string     `yaml:"form" jsonschema:"enum=json,enum=ntfy,enum=slack" jsonschema_description:"json (unless said otherwise), ntfy or slack: also what Mattermost and Discord's /slack take"`
	On   []string   `yaml:"on" jsonschema_description:"what is told, out of fail, stop, end, error, hold; everything unless said otherwise"`
}

// Simulate describes the simulated recorder and rig. Which models and faults
// there are is the simulator's to say.
type Simulate struct {
	Model  string   `yaml:"model" jsonschema:"required" jsonschema_description:"the simulated recorder, like imou-new"`
	Seed   uint64   `yaml:"seed" jsonschema:"minimum=0" jsonschema_description:"everything random comes from it; 1 unless said otherwise"`
	Senses []string `yaml:"senses" jsonschema_description:"which senses are fitted: relays by name, network"`
	Ear    bool     `yaml:"ear" jsonschema_description:"whether there is a microphone; true unless said otherwise"`
	Quirks []string `yaml:"quirks" jsonschema_description:"oddities of its firmware, like one-shot-nonces; resetrig sim quirks lists them"`
	Faults Faults   `yaml:"faults" jsonschema_description:"what goes wrong, and how often"`
	Room   *Room    `yaml:"room" jsonschema_description:"what else sounds in the room, to rehearse a hard one"`
}

// Room is a noise that fills a simulated room.
type Room struct {
	Noise string   `yaml:"noise" jsonschema:"required,pattern=^[a-z]+$" jsonschema_description:"which: white, pink, brown, fan, hum, disk, babble, speech, music, slams or keys"`
	SNR   Decibels `yaml:"snr" jsonschema_description:"the power of the beep over the noise's in the whole band, like 6dB; 10dB unless said otherwise"`
}

// UnmarshalYAML fills in the default before it reads.
func (r *Room) UnmarshalYAML(n *yaml.Node) error {
	type plain Room
	r.SNR = 10
	return n.Load((*plain)(r), strict)
}

// Fault is a fault of the simulated recorder or rig.
type Fault struct {
	Name        string  `yaml:"name" jsonschema:"required,pattern=^[a-z][a-z0-9-]*$" jsonschema_description:"the fault's name, like no-beep"`
	Probability float64 `yaml:"probability" jsonschema:"minimum=0,maximum=1" jsonschema_description:"how likely it is in a cycle, from 0 to 1; 1 unless said otherwise"`
}

// Faults are the faults in the order of the file.
type Faults []Fault

// UnmarshalYAML reads the list of faults, wrong ones too.
func (f *Faults) UnmarshalYAML(n *yaml.Node) error {
	if n.Kind != yaml.SequenceNode {
		return &valueError{kindOf(n) + " does not belong here", "write a list, like [{name: no-beep, probability: 0.1}]"}
	}
	var wrong []*yaml.LoadError
	*f = make(Faults, len(n.Content))
	for i, c := range n.Content {
		if err := c.Load(&(*f)[i], strict); err != nil {
			wrong = append(wrong, loadErrors(err)...)
		}
	}
	if len(wrong) > 0 {
		return &yaml.LoadErrors{Errors: wrong}
	}
	return nil
}

// Relays are the relays in the order of the file.
type Relays []Relay

// Senses are the senses in the order of the file.
type Senses []Sense

func (r Relays) nameAt(i int) string { return r[i].Name }
func (s Senses) nameAt(i int) string { return s[i].Name }

// Named is the relay of that name.
func (r Relays) Named(name string) (Relay, bool) {
	for _, one := range r {
		if one.Name == name {
			return one, true
		}
	}
	return Relay{}, false
}

// UnmarshalYAML reads the mapping of names to relays.
func (r *Relays) UnmarshalYAML(n *yaml.Node) (err error) {
	*r, err = inOrder(n, func(one *Relay, name string) { one.Name = name })
	return err
}

// UnmarshalYAML reads the mapping of names to senses.
func (s *Senses) UnmarshalYAML(n *yaml.Node) (err error) {
	*s, err = inOrder(n, func(one *Sense, name string) { one.Name = name })
	return err
}

// inOrder reads a mapping of names to T, keeping the order that a map loses. An
// entry that is wrong is in the list too, as far as it could be read, so that
// the rest of the file is checked against it.
func inOrder[T any](n *yaml.Node, name func(*T, string)) ([]T, error) {
	if n.Kind != yaml.MappingNode {
		return nil, &valueError{kindOf(n) + " does not belong here", "write each with its name before it, like power: {…}"}
	}
	var list []T
	var wrong []*yaml.LoadError
	seen := map[string]bool{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		key := n.Content[i].Value
		if seen[key] {
			continue // reported by walk
		}
		seen[key] = true
		var one T
		if err := n.Content[i+1].Load(&one, strict); err != nil {
			wrong = append(wrong, loadErrors(err)...)
		}
		name(&one, key)
		list = append(list, one)
	}
	if len(wrong) > 0 {
		return list, &yaml.LoadErrors{Errors: wrong}
	}
	return list, nil
}

// strict is how everything is loaded; duplicate keys are found by walk, with the
// rest of the file read all the same.
var strict = yaml.Options(yaml.WithKnownFields(), yaml.WithUniqueKeys(false))

// UnmarshalYAML fills in the relay's defaults before it reads.
func (r *Relay) UnmarshalYAML(n *yaml.Node) error {
	type plain Relay
	// Songle SRD data sheet: 10 ms to operate, 1e5 electrical operations;
	// modules take up to 15 ms, and contacts bounce.
	*r = Relay{Contact: "no", Settle: 50 * time.Millisecond, Life: 100_000}
	return n.Load((*plain)(r), strict)
}

// UnmarshalYAML fills in the fault's probability before it reads.
func (f *Fault) UnmarshalYAML(n *yaml.Node) error {
	type plain Fault
	f.Probability = 1
	return n.Load((*plain)(f), strict)
}

// UnmarshalYAML fills in the simulation's defaults before it reads.
func (s *Simulate) UnmarshalYAML(n *yaml.Node) error {
	type plain Simulate
	*s = Simulate{Seed: 1, Ear: true}
	return n.Load((*plain)(s), strict)
}

// UnmarshalYAML fills in the beep's defaults before it reads.
func (b *Beep) UnmarshalYAML(n *yaml.Node) error {
	type plain Beep
	b.Long = time.Second
	return n.Load((*plain)(b), strict)
}

// Env is where a bench file's secrets come from.
type Env struct {
	// Lookup is the value of an environment variable.
	Lookup func(name string) (string, bool)
	// ReadFile is the content of a file.
	ReadFile func(path string) ([]byte, error)
}

// System is the environment and the files of this process.
func System() Env { return Env{Lookup: os.LookupEnv, ReadFile: ReadFile} }

// LoadBench reads a bench file: data is its text, name what it is called in
// errors, and the folder that the files it names are relative to. The paths in
// the result are joined with that folder. The error is Problems.
func LoadBench(name string, data []byte, env Env) (*Bench, error) {
	d, usable := open(name, data)
	b := &Bench{File: name, Soak: Soak{StopAfterFails: 3, StopAfterErrors: 5, Retries: 1, StopAfterInterruptions: 3}}
	if usable {
		d.variables(d.root, nil)
		d.load(d.root, nil, b)
		b.fill(filepath.Dir(name))
		d.rules(reflect.ValueOf(b), nil)
		d.bench(b)
		d.secrets(b, env)
	}
	if len(d.problems) > 0 {
		return nil, d.problems.sorted()
	}
	return b, nil
}

// fill puts in what the file may leave out.
func (b *Bench) fill(folder string) {
	if b.Simulate != nil && b.Relays == nil {
		b.Relays = Relays{
			{Name: "power", Contact: "no", MinOff: 3 * time.Second, Settle: 50 * time.Millisecond, Life: 100_000},
			{Name: "reset", Contact: "no", Settle: 50 * time.Millisecond, Life: 100_000},
		}
	}
	for i := range b.Relays {
		r := &b.Relays[i]
		if r.Driver == "" {
			r.Driver = "cdev"
			if strings.Contains(r.Pin, "://") {
				r.Driver = "web"
			}
			if strings.Contains(r.Pin, "@") {
				r.Driver = "i2c"
			}
		}
		if r.Role == "" {
			r.Role = rig.RolePress
			if r.Name == "power" {
				r.Role = rig.RolePower
			}
		}
		if r.Safe == "" {
			r.Safe = rig.SafeOff
			if r.Role == rig.RolePower {
				r.Safe = rig.SafeKeep
			}
		}
		if r.MaxOn == 0 && r.Role == rig.RolePress {
			r.MaxOn = 40 * time.Second // twice the longest press of any guide known: 20 s
		}
	}
	b.DUT.MAC = strings.ToLower(strings.ReplaceAll(b.DUT.MAC, "-", ":"))
	b.DUT.URL = strings.TrimSuffix(b.DUT.URL, "/")
	b.DUT.AfterReset.URL = strings.TrimSuffix(b.DUT.AfterReset.URL, "/")
	paths := []*string{&b.DUT.Login.PasswordFile, &b.DUT.Baseline}
	if b.DUT.ModelIsFile() {
		paths = append(paths, &b.DUT.Model)
	}
	if b.Ear != nil {
		paths = append(paths, &b.Ear.Calibration)
	}
	for i := range b.Soak.Controls {
		if fileLike(b.Soak.Controls[i]) {
			paths = append(paths, &b.Soak.Controls[i])
		}
	}
	for _, p := range paths {
		if *p != "" && !filepath.IsAbs(*p) {
			*p = filepath.Join(folder, *p)
		}
	}
}

// ModelIsFile reports whether Model is the path of a file and not the name of a
// shipped model.
func (d DUT) ModelIsFile() bool {
	return strings.ContainsAny(d.Model, "/\\") || strings.HasSuffix(d.Model, ".yaml") || strings.HasSuffix(d.Model, ".yml")
}

//go:embed default-bench.yaml
var defaultBench []byte

// DefaultBench is the text of the bench that is used where none is named: a
// simulated one with every sense and an ear.
func DefaultBench() []byte { return append([]byte(nil), defaultBench...) }
