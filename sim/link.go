package sim

// Neighbour is the hardware address at which a host on the unit's network was
// spoken to, as a rig's kernel would have it after a connection; ok is false
// where nobody answers. It costs no time.
func (w *World) Neighbour(host string) (mac string, ok bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if host != w.address() || w.cutOff() || w.unit.phase < linked || w.unit.phase > ready {
		return "", false
	}
	return w.mac(), true
}

// Carrier is the carrier of the cable to the unit: there from the moment at
// which its network port comes up.
func (w *World) Carrier() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return !w.cutOff() && w.unit.running && w.unit.phase >= linked && w.unit.phase <= ready
}
