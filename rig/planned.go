package rig

import "time"

// Planned is how long a cycle of the scenario takes if all goes well, and how
// much of its sound its evidence would be: by the waits that the scenario has and
// the DUT's usual boot. It is for planning, and good within a factor of two.
func (b *Bench) Planned(sc *Scenario) (takes, sound time.Duration) {
	const (
		act    = time.Second     // an exchange with the DUT, or a proof of a relay
		settle = 3 * time.Second // to provision, to mark, to judge
	)
	boot := b.DUT.LeastBoot + (b.DUT.MostBoot-b.DUT.LeastBoot)/8
	pressed, reset := time.Duration(-1), false
	for _, phase := range [][]Step{sc.Arrange, sc.Act, sc.Assert} {
		for _, s := range phase {
			before := takes
			switch s := s.(type) {
			case Wait:
				takes += s.For
			case Hold:
				takes += s.For
			case PressRelay:
				takes += act
				pressed = 0
			case ReleaseRelay:
				takes += act
				if pressed >= 0 {
					sound = max(sound, pressed+soundBefore+soundAfter)
				}
				pressed = -1
			case Restarted:
				takes += boot + s.Stable
			case Persists:
				takes += s.Off + boot + s.Stable + settle
			case Provision, SetMark, StillMarked, DefaultState:
				takes += settle
			case FactoryReset:
				takes += act
				reset = reset || !s.WrongPassword
			case Exec, SwitchPower, Reachable:
				takes += act
			}
			if pressed >= 0 {
				pressed += takes - before
			}
		}
	}
	switch {
	case reset:
		sound = max(sound, resetSounds+soundBefore+soundAfter)
	case sound == 0:
		sound = soundWhole
	}
	return takes, min(sound, takes)
}
