package main

import (
	"slices"
	"sync"

	"resetrig/audio"
	"resetrig/config"
)

// cards are the sound cards whose channels are the microphones of several benches
// of this process: PortAudio opens a card once, so one process captures it for
// all of them. A card of one bench is that bench's own.
type cards struct {
	channels map[string][]int // by the device's name in the bench files

	mu   sync.Mutex
	made map[string]*audio.Card
}

// sideBySide says whether benches can run beside each other, and shares what they
// share.
func (a *app) sideBySide(benches []*config.Bench) error {
	if err := apart(benches); err != nil {
		return err
	}
	a.cards = &cards{channels: map[string][]int{}, made: map[string]*audio.Card{}}
	for _, b := range benches {
		if b.Simulate == nil && b.Ear != nil && b.Ear.Device != "" {
			a.cards.channels[b.Ear.Device] = append(a.cards.channels[b.Ear.Device], b.Ear.Channel)
		}
	}
	return nil
}

// card is the shared one of that name, made by the first who asks, or nil.
func (c *cards) card(device string, open func(channels []int) *audio.Card) *audio.Card {
	if c == nil || len(c.channels[device]) < 2 {
		return nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.made[device] == nil {
		channels := slices.Clone(c.channels[device])
		slices.Sort(channels)
		c.made[device] = open(channels)
	}
	return c.made[device]
}
