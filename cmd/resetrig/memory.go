package main

import (
	"sync"
	"time"

	"resetrig/rig"
)

// memory keeps the accounts of a recorder that ends with the process: a
// simulated one. Kept longer, its passwords would be tried on the next.
type memory struct {
	mu      sync.Mutex
	refused map[string][]time.Time
	logins  map[string][]rig.Credential
	pins    map[string]string
}

func newMemory() *memory {
	return &memory{refused: map[string][]time.Time{}, logins: map[string][]rig.Credential{}, pins: map[string]string{}}
}

// remembered is how many logins per unit are kept.
const remembered = 8

func (m *memory) Refused(dut string, at time.Time) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.refused[dut] = append(m.refused[dut], at)
	return nil
}

func (m *memory) RefusedSince(dut string, since time.Time) (int, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	var young []time.Time
	for _, t := range m.refused[dut] {
		if !t.Before(since) {
			young = append(young, t)
		}
	}
	m.refused[dut] = young
	return len(young), nil
}

func (m *memory) Clear(dut string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.refused, dut)
	return nil
}

func (m *memory) Remember(dut string, c rig.Credential) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	l := append([]rig.Credential{c}, m.logins[dut]...)
	m.logins[dut] = l[:min(len(l), remembered)]
	return nil
}

func (m *memory) Recall(dut string) ([]rig.Credential, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return append([]rig.Credential(nil), m.logins[dut]...), nil
}

func (m *memory) Pinned(dut string) (string, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.pins[dut], nil
}

func (m *memory) Pin(dut, fingerprint string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.pins[dut] = fingerprint
	return nil
}
