package sim

import "time"

// maxBeeps is how many beeps Truth remembers.
const maxBeeps = 256

// BeepTruth is one beep as it really was, since the World's Start.
type BeepTruth struct {
	From        time.Duration `json:"from_ns"`
	To          time.Duration `json:"to_ns"`
	FrequencyHz float64       `json:"frequency_hz"`
	LevelDBFS   float64       `json:"level_dbfs"`
	Own         bool          `json:"own"` // the unit's, not a neighbour's
}

// Truth is what only the simulator knows. It is for tests of the simulator,
// and for the control port of Serve; the program under test never sees it.
type Truth struct {
	Now           time.Duration     `json:"now_ns"` // since Start
	Cycle         int               `json:"cycle"`
	Faults        []string          `json:"faults"`  // active in this cycle
	Power         bool              `json:"power"`   // the contact
	Shorted       bool              `json:"shorted"` // the contact
	Phase         string            `json:"phase"`
	Uptime        time.Duration     `json:"uptime_ns"`
	Bricked       bool              `json:"bricked"`
	Boots         int               `json:"boots"`
	Resets        int               `json:"resets"`
	Initialised   bool              `json:"initialised"`
	Passwords     map[string]string `json:"passwords"`
	MachineName   string            `json:"machine_name"`
	Address       string            `json:"address"`
	Serial        string            `json:"serial"`
	MAC           string            `json:"mac"`
	Locked        bool              `json:"locked"`
	RefusedLogins int               `json:"refused_logins"`
	Beeps         []BeepTruth       `json:"beeps"` // the last ones, planned ones included
}

// Truth is how things really are now.
func (w *World) Truth() Truth {
	w.mu.Lock()
	defer w.mu.Unlock()
	f := w.front()
	t := Truth{
		Now: w.now, Cycle: w.cycle, Faults: []string{},
		Power: w.wires.contact[power], Shorted: w.wires.contact[reset],
		Phase: phaseNames[w.unit.phase], Bricked: w.unit.bricked,
		Boots: w.unit.boots, Resets: w.unit.resets,
		Initialised: f.initialised, Passwords: map[string]string{},
		MachineName: f.value("General", "MachineName"), Address: w.address(),
		Serial: w.serial(), MAC: w.mac(),
		Locked: w.locked(), RefusedLogins: w.server.refusals,
		Beeps: append([]BeepTruth{}, w.room.beeps...),
	}
	if w.unit.up() {
		t.Uptime = w.now - w.unit.kernelAt
	}
	for _, x := range f.users {
		t.Passwords[x.name] = x.password
	}
	if len(w.faults) == 0 {
		return t
	}
	for _, info := range Faults() {
		if w.faults[info.Name] {
			t.Faults = append(t.Faults, info.Name)
		}
	}
	return t
}
