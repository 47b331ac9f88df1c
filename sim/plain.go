package sim

import (
	"fmt"
	"net/http"
	"net/url"
	"strconv"
)

// plain is a web server with a login, a stand-in for any device of which
// nothing else is known. Everything is behind the login:
//
//	GET  /          a page with model, serial number, firmware and name
//	GET  /config    key=value, a line each: every table's rows
//	POST /config    a form of such keys: writes them
//	POST /password  a form: user, old, new
//	POST /reset     resets it
//	POST /reboot    restarts it
type plain struct{ *World }

func (w plain) factory() *flash {
	return &flash{initialised: true, users: w.model.accounts(), tables: []*table{
		{"General", []row{{"MachineName", "BOX"}, {"Location", ""}}},
		w.networkTable(),
		{"NTP", []row{{"Address", "pool.ntp.org"}, {"Enable", "false"}}},
	}}
}

// networkTable is the table of the network that every brand has.
func (w *World) networkTable() *table {
	return &table{"Network", []row{
		{"eth0.DefaultGateway", "192.168.1.1"}, {"eth0.DhcpEnable", "false"},
		{"eth0.IPAddress", w.model.DefaultAddress}, {"eth0.MTU", "1500"},
		{"eth0.PhysicalAddress", w.opts.MAC}, {"eth0.SubnetMask", "255.255.255.0"},
		{"eth0.DNS", "8.8.8.8"},
	}}
}

func (w plain) route(req *http.Request, body []byte) answer {
	u, no := w.login(req, body)
	if no != nil {
		return *no
	}
	f := w.front()
	form, err := url.ParseQuery(string(body))
	switch path := req.Method + " " + req.URL.Path; {
	case path == "GET /":
		return answer{status: 200, kind: "text/html", body: fmt.Sprintf(
			"<!DOCTYPE html>\n<html><head><title>%s</title></head><body><p>Serial number: %s</p><p>Firmware: %s</p><p>Name: %s</p></body></html>\n",
			w.model.DeviceType, w.serial(), w.firmware(), xmlText(f.value("General", "MachineName")))}
	case path == "GET /config":
		a := answer{status: 200}
		for _, t := range f.tables {
			for _, r := range t.rows {
				a.body += t.name + "." + r.key + "=" + r.value + "\n"
			}
		}
		return a
	case req.Method != http.MethodPost:
		return answer{status: 404, body: "not found\n"}
	case err != nil:
		return answer{status: 400, body: "bad request\n"}
	case u.group != "admin":
		return w.forbidden()
	case path == "POST /config":
		if status := w.set(form); status != 200 {
			return answer{status: status, body: "not written\n"}
		}
	case path == "POST /password":
		switch w.changePassword(u, form.Get("user"), form.Get("new"), form.Get("old")) {
		case changeOK:
		case changeRefused:
			return answer{status: 500, body: "not written\n"}
		default:
			return answer{status: 400, body: "bad request\n"}
		}
	case path == "POST /reset" && w.faults[resetRefused]:
		return answer{status: 500, body: "not reset\n"}
	case path == "POST /reset":
		w.commandReset(keeping{})
	case path == "POST /reboot":
		w.commandReboot()
	default:
		return answer{status: 404, body: "not found\n"}
	}
	return answer{status: 200, body: "ok\n"}
}

// set is the status of an attempt to write a form's keys, Table.Key each.
func (w plain) set(form url.Values) int {
	f := w.front()
	for k := range form {
		if t, key := f.row(k); t == nil || key == "" {
			return 400
		}
	}
	if w.faults[refusedWrite] {
		return 500
	}
	for k, v := range form {
		t, key := f.row(k)
		t.set(key, v[0])
	}
	return 200
}

func (w plain) scheme() scheme {
	s := w.commonScheme()
	s.realm = "box"
	s.challenge = func(nonce string) ([]authParam, string) {
		return []authParam{{"realm", s.realm, false}, {"nonce", nonce, false}, {"algorithm", "MD5", true}, {"qop", "auth", false}}, ", "
	}
	return s
}

func (w plain) nonce() string { return strconv.FormatUint(w.netRnd.Uint64(), 16) }

func (w plain) unauthorized() answer {
	return answer{status: 401, kind: "text/html", header: "WWW-Authenticate: " + w.challenge() + "\r\n", body: "<html><body>401 Unauthorized</body></html>\n"}
}

func (w plain) forbidden() answer {
	return answer{status: 403, kind: "text/html", body: "<html><body>403 Forbidden</body></html>\n"}
}

func (w plain) password(p string) bool { return p != "" && len(p) <= 64 }

func (w plain) discovered(string, []byte, bool) [][]byte { return nil }
