package sim_test

import (
	"bytes"
	"crypto/aes"
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"net/url"
	"os"
	"regexp"
	"strings"
	"testing"

	"resetrig/sim"
)

// ask asks for a challenge and answers it, whatever the method and the body.
func (b *bench) ask(method, path, body, user, password string) (int, string) {
	b.Helper()
	resp, text, err := b.do(method, path, body, "")
	if err != nil {
		b.Fatal(err)
	}
	challenge := resp.Header.Get("WWW-Authenticate")
	if resp.StatusCode != 401 || challenge == "" {
		return resp.StatusCode, text
	}
	resp, text, err = b.do(method, path, body, digest(challenge, method, path, user, password))
	if err != nil {
		b.Fatal(err)
	}
	return resp.StatusCode, text
}

// between is what stands in text between two marks, "" without them.
func between(text, from, to string) string {
	_, rest, ok := strings.Cut(text, from)
	inner, _, ok2 := strings.Cut(rest, to)
	if !ok || !ok2 {
		return ""
	}
	return inner
}

// voice is how one brand is spoken to, with nothing but HTTP.
type voice struct {
	model, def  string // def: the default password, "" for a unit without one
	factoryName string
	firmware    func(b *bench, password string) string
	serial      func(b *bench, password string) string
	name        func(b *bench, password string) (string, bool) // false: not let in
	setName     func(b *bench, password, name string) bool
	setPassword func(b *bench, old, new string) bool
	reset       func(b *bench, password string) bool
	blank       func(b *bench) bool   // uninitialised or not activated
	provision   func(b *bench) string // gives a blank unit a password
}

func voices() []voice {
	dahua := func(model, def string) voice {
		cgi := func(b *bench, query, password string) (int, string) {
			return b.ask("GET", "/cgi-bin/"+query, "", "admin", password)
		}
		value := func(query string) func(*bench, string) string {
			return func(b *bench, password string) string {
				_, text := cgi(b, query, password)
				_, v, _ := strings.Cut(strings.TrimSpace(text), "=")
				return v
			}
		}
		return voice{
			model: model, def: def, factoryName: "NVR",
			firmware: value("magicBox.cgi?action=getSoftwareVersion"), serial: value("magicBox.cgi?action=getSerialNo"),
			name: func(b *bench, password string) (string, bool) {
				s, text := cgi(b, "magicBox.cgi?action=getMachineName", password)
				return strings.TrimPrefix(strings.TrimSpace(text), "name="), s == 200
			},
			setName: func(b *bench, password, name string) bool {
				s, text := cgi(b, "configManager.cgi?action=setConfig&General.MachineName="+name, password)
				return s == 200 && text == "OK\r\n"
			},
			setPassword: func(b *bench, old, new string) bool {
				s, text := cgi(b, "userManager.cgi?action=modifyPassword&name=admin&pwd="+url.QueryEscape(new)+"&pwdOld="+url.QueryEscape(old), old)
				return s == 200 && text == "OK\r\n"
			},
			reset: func(b *bench, password string) bool {
				s, text := cgi(b, "magicBox.cgi?action=resetSystemEx&type=0", password)
				return s == 200 && text == "OK\r\n"
			},
			blank:     func(b *bench) bool { return b.initState() == 1 },
			provision: (*bench).initialise,
		}
	}
	isapi := func(model, def string) voice {
		info := func(b *bench, password string) (int, string) {
			return b.ask("GET", "/ISAPI/System/deviceInfo", "", "admin", password)
		}
		field := func(name string) func(*bench, string) string {
			return func(b *bench, password string) string {
				_, text := info(b, password)
				return between(text, "<"+name+">", "</")
			}
		}
		put := func(b *bench, path, body, password string) string {
			_, text := b.ask("PUT", path, body, "admin", password)
			return between(text, "<statusCode>", "</")
		}
		return voice{
			model: model, def: def, factoryName: "Network Video Recorder",
			firmware: field("firmwareVersion"), serial: field("serialNumber"),
			name: func(b *bench, password string) (string, bool) {
				s, text := info(b, password)
				return between(text, "<deviceName>", "</"), s == 200
			},
			setName: func(b *bench, password, name string) bool {
				return put(b, "/ISAPI/System/deviceInfo", "<DeviceInfo><deviceName>"+name+"</deviceName></DeviceInfo>", password) == "1"
			},
			setPassword: func(b *bench, old, new string) bool {
				return put(b, "/ISAPI/Security/users/1", "<User><id>1</id><userName>admin</userName><password>"+new+"</password></User>", old) == "1"
			},
			reset: func(b *bench, password string) bool {
				code := put(b, "/ISAPI/System/factoryReset?mode=full", "", password)
				if code == "7" {
					code = put(b, "/ISAPI/System/reboot", "", password)
				}
				return code == "1"
			},
			blank: func(b *bench) bool {
				_, text, err := b.do("GET", "/SDK/activateStatus", "", "")
				return err == nil && strings.Contains(text, "<Activated>false<")
			},
			provision: func(b *bench) string { b.activate(before); return before },
		}
	}
	onvif := voice{
		model: "onvif", def: "admin", factoryName: "NVR",
		firmware: func(b *bench, password string) string {
			_, text := b.soap("<GetDeviceInformation/>", password)
			return between(text, "<tds:FirmwareVersion>", "</")
		},
		serial: func(b *bench, password string) string {
			_, text := b.soap("<GetDeviceInformation/>", password)
			return between(text, "<tds:SerialNumber>", "</")
		},
		name: func(b *bench, password string) (string, bool) {
			s, _ := b.soap("<GetUsers/>", password)
			_, text := b.soap("<GetHostname/>", password)
			return between(text, "<tt:Name>", "</"), s == 200
		},
		setName: func(b *bench, password, name string) bool {
			s, _ := b.soap("<SetHostname><Name>"+name+"</Name></SetHostname>", password)
			return s == 200
		},
		setPassword: func(b *bench, old, new string) bool {
			s, _ := b.soap(`<SetUser><User><t:Username xmlns:t="http://www.onvif.org/ver10/schema">admin</t:Username><t:Password xmlns:t="http://www.onvif.org/ver10/schema">`+new+
				`</t:Password><t:UserLevel xmlns:t="http://www.onvif.org/ver10/schema">Administrator</t:UserLevel></User></SetUser>`, old)
			return s == 200
		},
		reset: func(b *bench, password string) bool {
			s, _ := b.soap("<SetSystemFactoryDefault><FactoryDefault>Hard</FactoryDefault></SetSystemFactoryDefault>", password)
			return s == 200
		},
	}
	value := func(mark string) func(*bench, string) string {
		return func(b *bench, password string) string {
			_, text := b.ask("GET", "/", "", "admin", password)
			return between(text, mark+": ", "</p>")
		}
	}
	post := func(b *bench, path, body, password string) bool {
		s, _ := b.ask("POST", path, body, "admin", password)
		return s == 200
	}
	plain := voice{
		model: "plain", def: "admin", factoryName: "BOX",
		firmware: value("Firmware"), serial: value("Serial number"),
		name: func(b *bench, password string) (string, bool) {
			s, text := b.ask("GET", "/", "", "admin", password)
			return between(text, "Name: ", "</p>"), s == 200
		},
		setName: func(b *bench, password, name string) bool {
			return post(b, "/config", "General.MachineName="+name, password)
		},
		setPassword: func(b *bench, old, new string) bool {
			return post(b, "/password", url.Values{"user": {"admin"}, "old": {old}, "new": {new}}.Encode(), old)
		},
		reset: func(b *bench, password string) bool { return post(b, "/reset", "", password) },
	}
	list := []voice{
		dahua("imou-new", ""), dahua("imou-old", "admin"), dahua("dahua-new", ""), dahua("dahua-old", "admin"),
		isapi("hikvision-new", ""), isapi("hikvision-old", "12345"), onvif, plain,
	}
	for i := range list {
		if list[i].blank == nil || list[i].def != "" {
			list[i].blank = func(*bench) bool { return false }
		}
	}
	return list
}

// soap sends a call of the device service.
func (b *bench) soap(call, password string) (int, string) {
	b.Helper()
	return b.ask("POST", "/onvif/device_service", envelope("", call), "admin", password)
}

var callName = regexp.MustCompile(`^<(\w+)`)

func envelope(header, call string) string {
	call = callName.ReplaceAllString(call, `<$1 xmlns="http://www.onvif.org/ver10/device/wsdl"`)
	return `<?xml version="1.0"?><s:Envelope xmlns:s="http://www.w3.org/2003/05/soap-envelope">` + header + `<s:Body>` + call + `</s:Body></s:Envelope>`
}

// initialise gives a unit of Dahua's new generation its first password, which
// stands in an envelope that openssl made.
func (b *bench) initialise() string {
	b.Helper()
	raw, err := os.ReadFile("testdata/envelope-32.json")
	if err != nil {
		b.Fatal(err)
	}
	var e struct {
		Password string
		Params   json.RawMessage
	}
	if err := json.Unmarshal(raw, &e); err != nil {
		b.Fatal(err)
	}
	for _, call := range []string{
		`{"method":"DevInit.setProtocolAgree","params":{"ProtocolEnable":true},"id":1}`,
		`{"method":"DevInit.account","params":` + string(e.Params) + `,"id":2}`,
	} {
		if a := b.rpc("/OutsideCmd", call); a["result"] != true {
			b.Fatalf("%s: %v", call, a)
		}
	}
	return e.Password
}

// activate gives a unit its first password, as the vendor's guide has it.
func (b *bench) activate(password string) string {
	b.Helper()
	digits := b.challenged()
	return b.activateWith(digits, digits[:16], password)
}

// challenged asks for an activation's challenge, and decrypts it.
func (b *bench) challenged() (digits string) {
	b.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 1024)
	if err != nil {
		b.Fatal(err)
	}
	_, text, err := b.do("POST", "/ISAPI/Security/challenge", "<PublicKey><key>"+hexInBase64(key.N.Bytes())+"</key></PublicKey>", "")
	if err != nil {
		b.Fatal(err)
	}
	sealed, err := base64.StdEncoding.DecodeString(between(text, "<key>", "</key>"))
	if err != nil || len(sealed) != 256 {
		b.Fatalf("challenge %q: %v", text, err)
	}
	raw, _ := hex.DecodeString(string(sealed))
	open, err := rsa.DecryptPKCS1v15(nil, key, raw)
	if err != nil || len(open) != 32 {
		b.Fatalf("challenge: %q, %v", open, err)
	}
	return string(open)
}

func hexInBase64(raw []byte) string {
	return base64.StdEncoding.EncodeToString([]byte(hex.EncodeToString(raw)))
}

// activateWith sends a head and a password under a challenge's key, and gives
// the status code.
func (b *bench) activateWith(digits, head, password string) string {
	b.Helper()
	aesKey, err := hex.DecodeString(digits)
	if err != nil {
		b.Fatal(err)
	}
	clear := []byte(head + password)
	clear = append(clear, bytes.Repeat([]byte{0}, (16-len(clear)%16)%16)...)
	block, err := aes.NewCipher(aesKey)
	if err != nil {
		b.Fatal(err)
	}
	for i := 0; i < len(clear); i += 16 {
		block.Encrypt(clear[i:], clear[i:])
	}
	_, text, err := b.do("PUT", "/ISAPI/System/activate", "<ActivateInfo><password>"+hexInBase64(clear)+"</password></ActivateInfo>", "")
	if err != nil {
		b.Fatal(err)
	}
	return between(text, "<statusCode>", "</")
}

const (
	before = "Before-2026"
	mark   = "Marked-2026"
)

// marked is a unit of the voice's model, up, with a name and a password of its
// own, and the faults.
func (v voice) marked(t *testing.T, faults ...string) *bench {
	t.Helper()
	o := sim.Options{Model: preset(t, v.model), Seed: 7, Powered: true, Login: before}
	for _, f := range faults {
		o.Faults = append(o.Faults, sim.Fault{Name: f, Probability: 1})
	}
	b := newBenchWith(t, o)
	if !v.setName(b, before, "marked") || !v.setPassword(b, before, mark) {
		t.Fatalf("%s cannot be marked", v.model)
	}
	if name, in := v.name(b, mark); !in || name != "marked" {
		t.Fatalf("%s: name %q, let in %v, after it was marked", v.model, name, in)
	}
	return b
}

// state is what the network shows: "default" or "marked" each of password and
// name. A blank unit is given a password to see its name.
func (v voice) state(b *bench) (password, name string) {
	b.Helper()
	text, in := "", false
	switch {
	case v.blank(b):
		password = "default"
		text, in = v.name(b, v.provision(b))
	case v.def != "":
		password = "default"
		text, in = v.name(b, v.def)
	}
	if !in {
		password = "marked"
		if text, in = v.name(b, mark); !in {
			return "neither", ""
		}
	}
	switch text {
	case "marked":
		return password, "marked"
	case v.factoryName:
		return password, "default"
	}
	return password, text
}

// everywhere runs a test for each brand and generation.
func everywhere(t *testing.T, f func(t *testing.T, v voice)) {
	for _, v := range voices() {
		t.Run(v.model, func(t *testing.T) {
			t.Parallel()
			f(t, v)
		})
	}
}

// silent reports whether nothing answers at the unit's address.
func (b *bench) silent() bool {
	b.Helper()
	s, err := b.w.Dial(b.Context(), "192.168.1.50", 80)
	if err != nil {
		b.Fatal(err)
	}
	return s == sim.PortSilent
}
