package gpio

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	pgpio "periph.io/x/conn/v3/gpio"
	"periph.io/x/conn/v3/physic"
)

// webTime is how long a switch on the network may take to answer. It is shorter
// than stuckAfter, so that a second switching gets its turn.
const webTime = 800 * time.Millisecond

// webPin is a switch that is set by a POST to an address: a power switch on the
// network, or the simulated recorder's control port. {on} in the address
// becomes true or false. It cannot be read back: only a sense tells what it did.
type webPin struct {
	address string
	client  *http.Client
}

var _ pgpio.PinOut = (*webPin)(nil)

// openWeb checks the address. It sends nothing.
func openWeb(address string) (*webPin, error) {
	u, err := url.Parse(address)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || !strings.Contains(address, "{on}") {
		return nil, fmt.Errorf("pin %q: driver web wants an address with {on} in it, like http://192.168.1.7/relay?on={on}", address)
	}
	return &webPin{address: address, client: &http.Client{
		Timeout:   webTime,
		Transport: &http.Transport{DisableKeepAlives: true}, // no proxy: a switch is not behind one
		CheckRedirect: func(*http.Request, []*http.Request) error {
			return errors.New("a switch must not redirect")
		},
	}}, nil
}

// Out sets the switch: High is on. An answer of 200–299 is success.
func (p *webPin) Out(l pgpio.Level) error {
	to := strings.ReplaceAll(p.address, "{on}", fmt.Sprint(bool(l)))
	resp, err := p.client.Post(to, "", nil)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	said, _ := io.ReadAll(io.LimitReader(resp.Body, 200))
	if resp.StatusCode < 200 || resp.StatusCode > 299 {
		return fmt.Errorf("%s answers %s: %s", to, resp.Status, said)
	}
	return nil
}

// PWM is refused: a relay does not do that.
func (p *webPin) PWM(pgpio.Duty, physic.Frequency) error {
	return errors.New("a switch on the network has no PWM")
}

// String is the address.
func (p *webPin) String() string { return p.address }

// Name is the address.
func (p *webPin) Name() string { return p.address }

// Number is -1: it has none.
func (p *webPin) Number() int { return -1 }

// Function is what it is for.
func (p *webPin) Function() string { return string(pgpio.OUT) }

// Halt does nothing: the relay's owner brings it to its safe level.
func (p *webPin) Halt() error { return nil }
