package sim

import (
	"fmt"
	"time"
)

// Generation is the firmware's generation, which decides what default means.
type Generation string

// The generations of Dahua/IMOU firmware.
const (
	OldGeneration Generation = "old" // fixed default accounts admin/admin, 888888, 666666
	NewGeneration Generation = "new" // no default password: uninitialised until given one
)

// Brand is whose protocols a recorder speaks.
type Brand string

// The brands.
const (
	Dahua     Brand = "dahua"     // CGI, RPC2, DHIP; IMOU is Dahua's consumer brand
	Hikvision Brand = "hikvision" // ISAPI
	ONVIF     Brand = "onvif"     // device management and WS-Discovery, nothing else
	Plain     Brand = "plain"     // a web server with a login, a stand-in for anything
)

// Account is a login that a factory reset leaves.
type Account struct {
	Name, Password string
	Admin          bool
}

// Beep is a kind's reset beep as the bench's microphone gets it.
type Beep struct {
	FrequencyHz float64
	LevelDBFS   float64 // RMS of the fundamental
	Least, Most time.Duration
}

// Model is a kind of recorder.
type Model struct {
	Name       string
	Brand      Brand // "": Dahua
	Generation Generation
	Vendor     string // as it names itself
	DeviceType string
	Firmware   string // version and build date, separated by a comma
	Hardware   string
	// LeastBoot and MostBoot bound the time from power or restart to ready.
	// See LeastAnswer for the first answer.
	LeastBoot, MostBoot time.Duration
	// Hold is how long the pins must be shorted from power-on.
	Hold time.Duration
	Beep Beep
	// LeastWrite and MostWrite bound the flash writes of a reset. A power cut
	// within them bricks the unit.
	LeastWrite, MostWrite time.Duration
	// LeastHoldUp and MostHoldUp bound how long it lives on after power off.
	LeastHoldUp, MostHoldUp time.Duration
	// LockTries refused logins lock all logins for LockWindow. These are the
	// defaults of General.LockLoginTimes and General.LoginFailLockTime.
	LockTries  int
	LockWindow time.Duration
	// LockStatus is 401 or 403: the answer to a login while locked.
	LockStatus int
	// LockExtends says that each try while locked begins the window anew.
	LockExtends bool
	// DefaultAddress is the factory's IPv4 address; see Options.MovesToDefault.
	DefaultAddress string
	// Basic says that CGI wants Basic instead of Digest.
	Basic bool
	// RestoreFails says that configManager.restore answers an internal error.
	RestoreFails bool
	// Accounts are what a factory reset leaves. Dahua's old generation without
	// any has those of its guide; its new generation and Hikvision's have an
	// administrator without a password, whatever stands here.
	Accounts []Account
	// Ports are the TCP ports that are open beside the web server's.
	Ports []int
	// Quirks are the oddities that the kind has, see Quirks. Options.Quirks
	// adds to them and takes from them.
	Quirks []string
}

// Shares of the boot at which its phases begin, each drawn between two bounds.
const (
	linkLeast, linkMost     = 0.30, 0.40
	listenLeast, listenMost = 0.75, 0.85
)

// LeastAnswer is the shortest time from power or restart to a first answer of
// any kind, a 503 included: the web server listens before the unit is ready.
func (m Model) LeastAnswer() time.Duration {
	return time.Duration(listenLeast * float64(m.LeastBoot))
}

// ModelNamed is the preset of that name; the error of another name gives the
// nearest right one and the list.
func ModelNamed(name string) (Model, error) {
	var names []string
	for _, m := range Models() {
		if m.Name == name {
			return m, nil
		}
		names = append(names, m.Name)
	}
	return Model{}, unknown("model", name, names)
}

// check reports the first rule that the model breaks.
func (m Model) check() error {
	bounds := func(what string, least, most time.Duration) error {
		if least <= 0 || most < least {
			return fmt.Errorf("simulated model %q: %s from %v to %v: want 0 < least ≤ most", m.Name, what, least, most)
		}
		return nil
	}
	if m.Generation != OldGeneration && m.Generation != NewGeneration {
		return fmt.Errorf("simulated model %q: generation %q: want %q or %q", m.Name, m.Generation, OldGeneration, NewGeneration)
	}
	for _, b := range []struct {
		what        string
		least, most time.Duration
	}{
		{"boot", m.LeastBoot, m.MostBoot},
		{"flash write", m.LeastWrite, m.MostWrite},
		{"hold-up", m.LeastHoldUp, m.MostHoldUp},
		{"beep", m.Beep.Least, m.Beep.Most},
	} {
		if err := bounds(b.what, b.least, b.most); err != nil {
			return err
		}
	}
	if _, err := personalityOf(nil, m.Brand); err != nil {
		return fmt.Errorf("simulated model %q: %w", m.Name, err)
	}
	if m.Hold < time.Second {
		return fmt.Errorf("simulated model %q: hold %v: want at least 1s", m.Name, m.Hold)
	}
	if m.LockStatus != 401 && m.LockStatus != 403 {
		return fmt.Errorf("simulated model %q: lock status %d: want 401 or 403", m.Name, m.LockStatus)
	}
	return nil
}
