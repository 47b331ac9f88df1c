package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"time"

	"periph.io/x/conn/v3/physic"

	"resetrig/audio"
	"resetrig/config"
	"resetrig/gpio"
	"resetrig/nvr"
	"resetrig/rig"
	"resetrig/sim"
	"resetrig/store"
)

// The rates of sound: what a microphone is opened at, since hw devices do not
// resample, and what a simulated room is rendered at.
const (
	micRate = 48000
	simRate = 16000
)

// attemptsApart keeps the draws of a cycle's attempts from those of any other
// cycle.
const attemptsApart = 1_000_000_000

// wiring is a bench as it was plugged together from its files. Simulated and
// real benches differ in what is plugged in and in nothing else.
type wiring struct {
	cfg    *config.Bench
	model  *config.Model
	bench  *rig.Bench
	device *nvr.Device
	ear    *audio.Ear
	source audio.Source // of the ear
	world  *sim.World   // nil on a real bench
	// before is called ahead of each attempt of a cycle.
	before  func(cycle, attempt int)
	closers []func() error
}

// close ends everything that was opened, the last first.
func (w *wiring) close() error {
	var errs []error
	for i := len(w.closers) - 1; i >= 0; i-- {
		errs = append(errs, w.closers[i]())
	}
	w.closers = nil
	return errors.Join(errs...)
}

// startUnit starts a simulated unit and lets it boot, for who wants to look at it
// without a cycle: it is off until somebody powers it. A real one stays as it is.
func (w *wiring) startUnit(ctx context.Context) {
	if w.world == nil {
		return
	}
	_ = w.world.Relays().Set("power", true)
	_ = w.bench.Clock.Sleep(ctx, w.model.Boot.Most)
}

// parts says what of a bench a command needs: a line that nobody will switch is
// not taken from whoever has it.
type parts struct {
	relays, ear, senses bool
	// plan, if not nil, is asked before any line is taken: what cannot work on
	// this bench is refused before a relay moves.
	plan     func(*rig.Bench) error
	accounts accounts // where logins are booked; nil: with the simulation, or nowhere
}

// accounts is where a DUT's passwords and refused logins are kept.
type accounts interface {
	nvr.Ledger
	nvr.Vault
	nvr.Trust
}

// loadBench reads the bench file, or the simulated bench where none is named,
// and says so.
func (a *app) loadBench(path string) (*config.Bench, *config.Model, error) {
	if path == "" {
		fmt.Fprintln(a.err, "resetrig: no --bench: this is the simulated bench, nothing here is real")
	}
	return a.readBench(path)
}

// readBench reads it and says nothing.
func (a *app) readBench(path string) (*config.Bench, *config.Model, error) {
	data, name := config.DefaultBench(), "default-bench.yaml"
	if path != "" {
		b, err := config.ReadFile(path)
		if err != nil {
			return nil, nil, usage(err)
		}
		data, name = b, path
	}
	cfg, err := config.LoadBench(name, data, config.System())
	if err != nil {
		return nil, nil, usage(err)
	}
	model, err := loadModel(cfg.DUT)
	if err != nil {
		return nil, nil, usage(err)
	}
	return cfg, model, nil
}

// wire plugs a bench together.
func (a *app) wire(cfg *config.Bench, model *config.Model, p parts) (w *wiring, err error) {
	w = &wiring{cfg: cfg, model: model, before: func(int, int) {}}
	w.bench = &rig.Bench{
		Name: cfg.Name, Clock: rig.System(), Emergency: a.emergency,
		Identity:    rig.Identity{Serial: cfg.DUT.Serial, MAC: cfg.DUT.MAC},
		WriteWindow: model.WriteWindow,
		Programs:    programs{log: a.log},
	}
	for _, r := range cfg.Relays {
		w.bench.Specs = append(w.bench.Specs, r.Spec())
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, w.close())
			w = nil
		}
	}()
	switch {
	case cfg.Simulate != nil:
		err = a.wireSimulated(w, p)
	default:
		err = a.wireReal(w, p)
	}
	return w, err
}

// wireSimulated plugs in a world of its own, on virtual time.
func (a *app) wireSimulated(w *wiring, p parts) error {
	s := w.cfg.Simulate
	m, err := sim.ModelNamed(s.Model)
	if err != nil {
		return usage(fmt.Errorf("%s: simulate: %w", w.cfg.File, err))
	}
	o := sim.Options{
		Model: m, Seed: s.Seed, URL: w.cfg.DUT.URL, Serial: w.cfg.DUT.Serial, MAC: w.cfg.DUT.MAC,
		Login:          w.cfg.DUT.Login.Password.Reveal(),
		Quirks:         s.Quirks,
		MovesToDefault: w.cfg.DUT.AfterReset.URL != "",
		Start:          time.Now(), // a label: nothing that is measured depends on it
	}
	if s.Room != nil {
		o.Room = sim.RoomNoise{Noise: s.Room.Noise, SNRdB: float64(s.Room.SNR)}
	}
	for _, f := range s.Faults {
		o.Faults = append(o.Faults, sim.Fault{Name: f.Name, Probability: f.Probability})
	}
	world, err := sim.New(o)
	if err != nil {
		return usage(fmt.Errorf("%s: simulate: %w", w.cfg.File, err))
	}
	w.world = world
	w.before = func(cycle, attempt int) {
		// Another attempt draws its faults anew: most of a rig's come and go.
		world.BeginCycle(cycle + (attempt-1)*attemptsApart)
	}
	b := w.bench
	b.Clock, b.Relays = world.Clock(), world.Relays()
	for _, of := range s.Senses {
		b.Senses = append(b.Senses, world.Sense(of))
	}
	if s.Ear && p.ear {
		profile := audio.Profile{FrequencyHz: m.Beep.FrequencyHz, LevelDBFS: m.Beep.LevelDBFS, Long: time.Second}
		if err := w.wireEar(world.Sound(), simRate, profile, 0); err != nil {
			return err
		}
		b.EarCalibrated = true
	}
	acc := p.accounts
	if acc == nil {
		acc = newMemory()
	}
	var seed [32]byte
	for i := range 8 {
		seed[i] = byte(s.Seed >> (8 * i))
	}
	url := w.cfg.DUT.URL
	if url == "" {
		url = "http://192.168.1.50"
	}
	opts := nvr.Options{
		URL: url, Clock: b.Clock, Net: simulatedNetwork{world}, Ledger: acc, Vault: acc, Trust: acc,
		Rand: rand.NewChaCha8(seed),
	}
	if w.cfg.DUT.Baseline == "" && nvrModel(w.model).Dialect != nvr.DialectPlain {
		fresh, err := simulatedBaseline(o, nvrModel(w.model), url)
		if errors.Is(err, rig.ErrUnsupported) {
			a.log.Info("no baseline of a fresh simulated unit", "why", err)
		} else if err != nil {
			return rigError(fmt.Errorf("record the baseline of a fresh simulated unit: %w", err))
		}
		opts.Baseline, opts.Reference = fresh.Config, fresh.Reference
	}
	if err := w.wireDevice(a, opts); err != nil || p.plan == nil {
		return err
	}
	return p.plan(b)
}

// simulatedBaseline is recorded as on a real bench: from a unit right after a
// known good reset. This one is fresh, healthy, and gone afterwards.
func simulatedBaseline(o sim.Options, m nvr.Model, url string) (nvr.Baseline, error) {
	o.Faults, o.Login, o.Powered, o.Room = nil, "", true, sim.RoomNoise{}
	fresh, err := sim.New(o)
	if err != nil {
		return nvr.Baseline{}, err
	}
	acc := newMemory()
	d, err := nvr.Open(nvr.Options{Model: m, URL: url, Clock: fresh.Clock(), Net: simulatedNetwork{fresh}, Ledger: acc, Vault: acc, Trust: acc})
	if err != nil {
		return nvr.Baseline{}, err
	}
	return d.Record(context.Background(), true)
}

// wireReal plugs in lines, senses, microphone and network.
func (a *app) wireReal(w *wiring, p parts) error {
	b, cfg := w.bench, w.cfg
	if p.ear && cfg.Ear != nil {
		capture, profile, noise, err := a.openEar(cfg, w.model, b.Fault)
		if err != nil {
			return err
		}
		if err := w.wireEar(capture, micRate, profile, noise); err != nil {
			return err
		}
		w.closers = append(w.closers, capture.Close)
		b.EarCalibrated = profile.FrequencyHz > 0 && profile.LevelDBFS < 0
	}
	if cfg.DUT.URL != "" {
		acc := p.accounts
		if acc == nil {
			acc = newMemory()
		}
		if err := w.wireDevice(a, nvr.Options{
			URL: cfg.DUT.URL, Clock: b.Clock, Net: nvr.RealNetwork(b.Clock, cfg.DUT.Interface), Ledger: acc, Vault: acc, Trust: acc,
		}); err != nil {
			return err
		}
	}
	if p.plan != nil {
		if err := p.plan(b); err != nil {
			return err
		}
	}
	if p.relays {
		bank, err := gpio.System().Open(gpioRelays(cfg), nil)
		if err != nil {
			return rigError(err)
		}
		b.Relays = bank
		w.closers = append(w.closers, bank.Close)
		stop, err := bank.Watch(gpio.System(), func(i gpio.Interference) {
			b.Fault(fmt.Errorf("another program touched the lines: %v", i))
		})
		if err != nil {
			return rigError(err)
		}
		w.closers = append(w.closers, stop)
	}
	if p.senses {
		for _, s := range cfg.Senses {
			sense, closer, err := a.openSense(s)
			if err != nil {
				return rigError(fmt.Errorf("sense %s: %w", s.Name, err))
			}
			b.Senses = append(b.Senses, sense)
			if closer != nil {
				w.closers = append(w.closers, closer)
			}
		}
	}
	return nil
}

// wireEar puts the detector behind a source of sound.
func (w *wiring) wireEar(s audio.Source, rate int, p audio.Profile, noise float64) error {
	ear, err := audio.NewEar(s, rate, p, noise)
	if err != nil {
		return usage(fmt.Errorf("%s: ear: %w", w.cfg.File, err))
	}
	w.ear, w.bench.Ear, w.source = ear, ear, s
	return nil
}

// wireDevice puts the recorder's client onto the bench. o has what differs
// between real and simulated.
func (w *wiring) wireDevice(a *app, o nvr.Options) error {
	cfg := w.cfg
	o.Model = nvrModel(w.model)
	o.AfterResetURL = cfg.DUT.AfterReset.URL
	if cfg.DUT.Discovery != "off" {
		o.DiscoveryAddr = cfg.DUT.Discovery
		if o.DiscoveryAddr == "" {
			o.DiscoveryAddr = discoveryOf(o.Model.Dialect)
		}
	}
	transcript := &nvr.Transcript{Creator: version}
	o.Transcript, o.Transcribing = transcript.Record, transcript.Open
	o.Identity = w.bench.Identity
	o.Login = rig.Credential{User: cfg.DUT.Login.User, Password: cfg.DUT.Login.Password}
	o.Firmware = cfg.DUT.Firmware
	o.Log = a.log
	if cfg.DUT.Baseline != "" {
		data, err := config.ReadFile(cfg.DUT.Baseline)
		if err == nil {
			var b *config.Baseline
			if b, err = config.LoadBaseline(cfg.DUT.Baseline, data); err == nil {
				compareWith(&o, b)
			}
		}
		if err != nil {
			return usage(err)
		}
	}
	d, err := nvr.Open(o)
	if err != nil {
		return usage(err)
	}
	w.device = d
	w.bench.DUT = d.DUT()
	w.bench.DUT.Transcript = transcript
	return nil
}

// openSense opens one sense of a real bench.
func (a *app) openSense(s config.Sense) (rig.Sense, func() error, error) {
	switch {
	case s.Pin != "":
		in, err := gpio.OpenInput(inputSpec(s))
		if err != nil {
			return nil, nil, err
		}
		return in, in.Close, nil
	case s.I2C != "":
		spec, err := currentSpec(s)
		if err != nil {
			return nil, nil, err
		}
		c, err := gpio.OpenINA219(spec)
		if err != nil {
			return nil, nil, err
		}
		return c, c.Close, nil
	case s.TCP != "":
		n, err := gpio.OpenTCP(gpio.NetworkSpec{Addr: s.TCP, Of: s.Of, Clock: rig.System()})
		return n, nil, err
	case s.Carrier != "":
		c, err := gpio.OpenCarrier(gpio.CarrierSpec{Interface: s.Carrier, Of: s.Of})
		return c, nil, err
	}
	return nil, nil, errors.New("it has neither pin nor i2c, tcp or carrier")
}

func inputSpec(s config.Sense) gpio.InputSpec {
	return gpio.InputSpec{Pin: s.Pin, ActiveLow: s.Active == "low", Bias: gpio.Bias(s.Bias), Debounce: s.Debounce, Of: s.Of}
}

func currentSpec(s config.Sense) (gpio.CurrentSpec, error) {
	bus, err := strconv.Atoi(s.I2C)
	if err != nil {
		return gpio.CurrentSpec{}, usage(fmt.Errorf("sense %s: i2c: %q is no bus number, like \"1\" for /dev/i2c-1", s.Name, s.I2C))
	}
	return gpio.CurrentSpec{
		Of: s.Of, Bus: bus, Addr: uint16(s.Address),
		Shunt:   physic.ElectricResistance(float64(s.Shunt) * float64(physic.Ohm)),
		Current: physic.ElectricCurrent(float64(s.Over) * float64(physic.Ampere)),
	}, nil
}

// openEar makes the capture of a bench's microphone, and what its beep is like.
func (a *app) openEar(cfg *config.Bench, model *config.Model, lost func(error)) (*audio.Capture, audio.Profile, float64, error) {
	profile, noise := audio.Profile{Long: model.Beep.Long}, 0.0
	if c := cfg.Ear.Calibration; c != "" {
		data, err := config.ReadFile(c)
		if err != nil {
			return nil, profile, 0, usage(err)
		}
		cal, err := config.LoadCalibration(c, data)
		if err != nil {
			return nil, profile, 0, usage(err)
		}
		profile = audio.Profile{FrequencyHz: float64(cal.Frequency), LevelDBFS: float64(cal.Level), Long: cal.Long}
		noise = float64(cal.NoiseFloor)
	}
	if b := cfg.Ear.Beep; b != nil {
		profile = audio.Profile{FrequencyHz: float64(b.Frequency), LevelDBFS: float64(b.Level), Long: b.Long}
	}
	mic, err := audio.FindMic(os.Getenv("RESETRIG_MIC"))
	if err != nil {
		return nil, profile, 0, rigError(err)
	}
	options := func(channels ...int) audio.CaptureOptions {
		return audio.CaptureOptions{
			Command: audio.MicCommand(mic, cfg.Ear.Device, micRate, channels...),
			Version: version, OnLost: lost, Log: a.log,
		}
	}
	if card := a.cards.card(cfg.Ear.Device, func(channels []int) *audio.Card {
		return audio.NewCard(options(channels...), channels...)
	}); card != nil {
		capture := card.Capture(cfg.Ear.Channel, lost)
		if capture == nil {
			return nil, profile, 0, usage(fmt.Errorf("%s: ear: the channel %d was another one when this program started: start it again", cfg.File, cfg.Ear.Channel))
		}
		return capture, profile, noise, nil
	}
	return audio.NewCapture(options(cfg.Ear.Channel)), profile, noise, nil
}

// gpioRelays are the relays as the lines' driver wants them.
func gpioRelays(cfg *config.Bench) []gpio.RelaySpec {
	var specs []gpio.RelaySpec
	for _, r := range cfg.Relays {
		g := gpio.RelaySpec{
			Name: r.Name, Pin: r.Pin, Driver: gpio.Driver(r.Driver), ActiveLow: r.Active == "low",
			Contact: gpio.Contact(r.Contact), Keep: r.Safe == rig.SafeKeep, Press: r.Role == rig.RolePress,
		}
		specs = append(specs, g)
	}
	return specs
}

var _ accounts = (*store.Store)(nil)
