package nvr_test

import (
	"context"
	"net"
	"testing"
	"time"

	"resetrig/nvr"
	"resetrig/rig"
)

// answering is a network whose datagrams go to a socket of the test's.
type answering struct {
	nvr.Network
	to string
}

func (a answering) Ask(ctx context.Context, _ string, b []byte, wait time.Duration, enough func(nvr.Datagram) bool) ([]nvr.Datagram, error) {
	return a.Network.(nvr.Asker).Ask(ctx, a.to, b, wait, enough)
}

// The asked unit's own answer ends the wait for datagrams: on a clock that
// stands, nothing else would. A broadcast waits for all.
func TestAnAnswerEndsTheWait(t *testing.T) {
	b := newBench(t, nvr.New)
	conn, err := net.ListenPacket("udp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	go func() {
		buf := make([]byte, 2048)
		for {
			n, from, err := conn.ReadFrom(buf)
			if err != nil {
				return
			}
			for _, d := range b.u.answerDHIP(buf[:n]) {
				_, _ = conn.WriteTo([]byte("noise"), from)
				_, _ = conn.WriteTo(d.Data, from)
			}
		}
	}()
	clock := newJump() // nobody moves it: a wait lasts for ever
	b.o.Clock = clock
	b.o.Net = answering{nvr.RealNetwork(clock, ""), conn.LocalAddr().String()}
	d := b.open(t)
	if st := d.State(t.Context()); st.State != nvr.StateDefault {
		t.Errorf("%+v", st)
	}
	if d.Identity() != (rig.Identity{Serial: b.u.serial, MAC: b.u.mac}) {
		t.Errorf("%+v", d.Identity())
	}
	ctx, stop := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer stop()
	if _, err := nvr.Discover(ctx, nvr.RealNetwork(clock, ""), conn.LocalAddr().String(), time.Hour); err == nil {
		t.Error("a search for all ended before its time")
	}
}
