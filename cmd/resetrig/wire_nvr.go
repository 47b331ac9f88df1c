package main

import (
	"context"
	"crypto/tls"
	"net"
	"net/http"
	"slices"
	"strconv"
	"time"

	"resetrig/config"
	"resetrig/nvr"
	"resetrig/rig"
	"resetrig/sim"
)

// What the recorder's client is made of: model files and baselines as it wants
// them, and the simulated network.

// compareWith tells the client what the unit must be like after a reset.
func compareWith(o *nvr.Options, b *config.Baseline) {
	o.Baseline = b.Config
	o.Reference = nvr.Reference{Type: b.Type, Firmware: b.Firmware, Hardware: b.Hardware, Users: b.Users, Ports: b.Ports, Tried: b.Tried}
	o.Model.Ignore = append(slices.Clip(o.Model.Ignore), b.Ignore...)
}

// baselineFile is a recorded baseline as a file.
func baselineFile(model string, b nvr.Baseline) config.Baseline {
	return config.Baseline{
		Model: model, Type: b.Type, Firmware: b.Firmware, Hardware: b.Hardware, Init: string(b.Init),
		Users: b.Users, Ports: b.Ports, Tried: b.Tried, Config: b.Config,
	}
}

// nvrModel is a model file as the recorder's client wants it.
func nvrModel(m *config.Model) nvr.Model {
	o := nvr.Model{
		Name: m.Name, Dialect: m.Dialect, Generation: m.Generation, DefaultURL: m.Default.URL,
		Lockout: nvr.Lockout{
			Tries: m.Lockout.Tries, Window: m.Lockout.Window,
			ClearedByReset: m.Lockout.ClearedByReset, Spare: m.Lockout.Spare,
		},
		LeastBoot: m.Boot.Least, MostBoot: m.Boot.Most,
		Tables: m.Tables, Ignore: m.Ignore,
		Route: m.Route, ResetBy: m.ResetBy,
		Endpoints: nvr.Endpoints{
			Reset: m.Endpoints.FactoryReset, Restore: m.Endpoints.Restore,
			OutsideCmd: m.Endpoints.OutsideCmd, MachineName: m.Endpoints.MachineName,
		},
		Provision: nvr.ProvisionSpec{User: m.Provision.User, Mail: m.Provision.Mail},
	}
	for _, acc := range m.Default.Accounts {
		o.Accounts = append(o.Accounts, rig.Credential{User: acc.User, Password: acc.Password})
	}
	if v := m.ONVIF; v != nil {
		o.ONVIF = nvr.ONVIFSpec{Path: v.Path, Auth: v.Auth}
		if v.Auth == "any" {
			o.ONVIF.Auth = ""
		}
	}
	o.TLS = nvr.TLSSpec{Least: m.TLS.Least, ChangesCertificate: m.TLS.Certificate == "changes-at-reset"}
	if p := m.Plain; p != nil {
		o.Plain = nvr.PlainSpec{Path: p.Path, Auth: p.Auth, Status: p.LoggedIn.Status, Contains: p.LoggedIn.Contains}
		if p.Auth == "any" {
			o.Plain.Auth = ""
		}
	}
	return o
}

// discoveryOf is where searches of a dialect go: DHIP to everybody, WS-Discovery
// to its group.
func discoveryOf(dialect string) string {
	if dialect == nvr.DialectHikvision || dialect == nvr.DialectONVIF {
		return "239.255.255.250:3702"
	}
	return "255.255.255.255:37810"
}

// simulatedNetwork is the world's network as the recorder's client wants it.
type simulatedNetwork struct{ w *sim.World }

func (n simulatedNetwork) RoundTripper(verify func(tls.ConnectionState) error) http.RoundTripper {
	return n.w.RoundTripperTLS(verify)
}

func (n simulatedNetwork) Neighbour(_ context.Context, host string) (string, bool) {
	return n.w.Neighbour(host)
}

func (n simulatedNetwork) Carrier() (up, known bool) { return n.w.Carrier(), true }

func (n simulatedNetwork) Open(ctx context.Context, address string, within time.Duration) (bool, error) {
	host, text, err := net.SplitHostPort(address)
	if err != nil {
		return false, err
	}
	port, err := strconv.Atoi(text)
	if err != nil {
		return false, err
	}
	bounded, cancel := rig.WithTimeout(ctx, n.w.Clock(), within)
	defer cancel()
	state, _ := n.w.Dial(bounded, host, port)
	return state == sim.PortOpen, context.Cause(ctx)
}

func (n simulatedNetwork) Exchange(ctx context.Context, to string, datagram []byte, wait time.Duration) ([]nvr.Datagram, error) {
	got, err := n.w.Exchange(ctx, to, datagram, wait)
	var out []nvr.Datagram
	for _, d := range got {
		out = append(out, nvr.Datagram{From: d.From, Data: d.Payload})
	}
	return out, err
}
