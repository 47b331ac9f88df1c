package nvr_test

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/icholy/digest"

	"resetrig/nvr"
	"resetrig/rig"
)

// stub answers requests in memory, behind a digest login.
type stub func(method, path, body string, authed bool) (status int, answer string)

func (s stub) RoundTripper(func(tls.ConnectionState) error) http.RoundTripper {
	return tripper(func(r *http.Request) (*http.Response, error) {
		var body []byte
		if r.Body != nil {
			var err error
			if body, err = io.ReadAll(r.Body); err != nil {
				return nil, err
			}
		}
		status, answer := s(r.Method, r.URL.RequestURI(), string(body), r.Header.Get("Authorization") != "")
		h := http.Header{}
		if status == http.StatusUnauthorized {
			h.Set("WWW-Authenticate", recordedChallenge)
		}
		return &http.Response{
			StatusCode: status, Status: http.StatusText(status), Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
			Header: h, Body: io.NopCloser(strings.NewReader(answer)), ContentLength: int64(len(answer)), Request: r,
		}, nil
	})
}

func (s stub) Exchange(context.Context, string, []byte, time.Duration) ([]nvr.Datagram, error) {
	return nil, nil
}

// The challenge of a camera, and the digests by which a client of others' logged
// in there twice with its nonce, as recorded by github.com/MissiaL/hikvision-client.
const recordedChallenge = `Digest qop="auth", realm="IP Camera(83813)", nonce="5a6d466d4d5467314d3251365a446b31597a51355a413d3d",          stale="FALSE"`

func TestRecordedDigest(t *testing.T) {
	c, err := nvr.FindChallenge(http.Header{"Www-Authenticate": {recordedChallenge}})
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range []struct {
		uri, cnonce, response string
		count                 int
	}{
		{"/ISAPI/System/status", "42669a73b46eb115", "d5a45576cf89a2dbd133c971c4a672b8", 1},
		{"/ISAPI/System/deviceinfo", "6d48fcae475d61d7", "24e29ddc547333b082372faad62b9bd0", 2},
	} {
		got, err := digest.Digest(c, digest.Options{Method: "GET", URI: r.uri, Username: "admin", Password: "cainthus123", Cnonce: r.cnonce, Count: r.count})
		if err != nil || got.Response != r.response {
			t.Errorf("%s: %+v, %v; want %s", r.uri, got, err, r.response)
		}
	}
}

// recorded opens a device whose unit answers these paths (or operations) with
// these bodies.
func recorded(t *testing.T, m nvr.Model, answers func(path, body string) (int, string)) *nvr.Device {
	t.Helper()
	book := newBook()
	login := rig.Credential{User: "admin", Password: "cainthus123"}
	m.Accounts = []rig.Credential{login}
	d, err := nvr.Open(nvr.Options{
		Model: m, URL: "http://192.0.2.1", Clock: newJump(), Ledger: book, Vault: book, Rand: chance(1),
		Net: stub(func(_, path, body string, authed bool) (int, string) {
			if path == "/" {
				return 200, "<html></html>"
			}
			if !authed {
				return 401, "<!DOCTYPE html>\r\n<html><head><title>Document Error: Unauthorized</title></head>\r\n\r\n<body><h2>Access Error: 401 -- Unauthorized</h2>\r\n<p>Authentication Error</p>\r\n\r\n</body>\r\n</html>\r\n"
			}
			return answers(path, body)
		}),
	})
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// What recorders and cameras answered to others' clients: the facts of
// MissiaL/hikvision-client's cassettes and of maciej-or/hikvision_next's devices.
func TestRecordedISAPI(t *testing.T) {
	const head = `<?xml version="1.0" encoding="UTF-8"?>` + "\r\n"
	for _, c := range []struct {
		name, deviceInfo, status string
		want                     nvr.Info
		up                       time.Duration
	}{
		{"camera, firmware 5.5", head + `<DeviceInfo version="2.0" xmlns="` + nsOld + `">` + "\r\n<deviceName>IP CAMERA</deviceName>\r\n<deviceID>xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx</deviceID>\r\n<deviceDescription>IPCamera</deviceDescription>\r\n<model>DS-2CD2155FWD-I</model>\r\n<serialNumber>DS-2CD2155FWD-XXXXXXXXXXXXXXXXXXXXX</serialNumber>\r\n<macAddress>XX:XX:XX:XX:XX:XX</macAddress>\r\n<firmwareVersion>V5.5.0</firmwareVersion>\r\n<firmwareReleasedDate>build 170725</firmwareReleasedDate>\r\n<hardwareVersion>0x0</hardwareVersion>\r\n<deviceType>IPCamera</deviceType>\r\n</DeviceInfo>\r\n",
			head + `<DeviceStatus version="2.0" xmlns="` + nsOld + `">` + "\r\n<currentDeviceTime>1970-02-22T08:21:26+08:00</currentDeviceTime>\r\n<deviceUpTime>2900578</deviceUpTime>\r\n<CPUList>\r\n<CPU>\r\n<cpuUtilization>100</cpuUtilization>\r\n</CPU>\r\n</CPUList>\r\n</DeviceStatus>\r\n",
			nvr.Info{Serial: "DS-2CD2155FWD-XXXXXXXXXXXXXXXXXXXXX", Type: "DS-2CD2155FWD-I", Name: "IP CAMERA", Firmware: "V5.5.0 build 170725", Hardware: "0x0"}, 2900578 * time.Second},
		{"camera, before 5.5", head + `<DeviceInfo version="2.0" xmlns="` + nsOld + `">` + "\r\n<deviceName>IP CAMERA</deviceName>\r\n<model>DS-2CD2155FWD-I</model>\r\n<serialNumber>DS-2CD2155FWD-XXXXXXXXXXXXXXXXXXXXX</serialNumber>\r\n<macAddress>XX:XX:XX:XX:XX:XX</macAddress>\r\n<firmwareVersion>V5.4.5</firmwareVersion>\r\n<firmwareReleasedDate>build 170124</firmwareReleasedDate>\r\n</DeviceInfo>\r\n",
			head + `<DeviceStatus version="2.0" xmlns="` + nsOld + `">` + "\r\n<deviceUpTime>857877</deviceUpTime>\r\n</DeviceStatus>\r\n",
			nvr.Info{Serial: "DS-2CD2155FWD-XXXXXXXXXXXXXXXXXXXXX", Type: "DS-2CD2155FWD-I", Name: "IP CAMERA", Firmware: "V5.4.5 build 170124"}, 857877 * time.Second},
		{"recorder, the newer namespace", `<?xml version="1.0" encoding="UTF-8" ?>` + "\n" + `<DeviceInfo version="2.0"` + "\n" + `  xmlns="` + nsNew + `">` + "\n  <deviceName>nvr</deviceName>\n  <deviceID>484a3831-3130-0000-0000-000c0000f00e</deviceID>\n  <model>DS-7608NXI-I2/8P/S</model>\n  <serialNumber>DS-7608NXI-I0/0P/S0000000000CCRRJ00000000WCVU</serialNumber>\n  <macAddress>cc:ed:d6:41:a8:39</macAddress>\n  <firmwareVersion>V4.62.210</firmwareVersion>\n  <firmwareReleasedDate>build 230612</firmwareReleasedDate>\n  <deviceType>NVR</deviceType>\n  <hardwareVersion>0100000092010000</hardwareVersion>\n</DeviceInfo>",
			head + `<DeviceStatus><deviceUpTime>0</deviceUpTime></DeviceStatus>`,
			nvr.Info{Serial: "DS-7608NXI-I0/0P/S0000000000CCRRJ00000000WCVU", Type: "DS-7608NXI-I2/8P/S", Name: "nvr", Firmware: "V4.62.210 build 230612", Hardware: "0100000092010000"}, 0},
	} {
		d := recorded(t, nvr.Model{Dialect: nvr.DialectHikvision, Generation: nvr.Old}, func(path, _ string) (int, string) {
			switch path {
			case "/ISAPI/System/deviceInfo":
				return 200, c.deviceInfo
			case "/ISAPI/System/status":
				return 200, c.status
			case "/ISAPI/System/Video/inputs/channels": // what the recorder answers to what it has not
				return 403, ""
			case "/ISAPI/Streaming/channels/101/picture":
				return 200, `<?xml version="1.0" encoding="UTF-8" ?>` + "\n" + `<ResponseStatus version="1.0"` + "\n" + `  xmlns="` + nsOld + `">` + "\n  <requestURL>/ISAPI/Streaming/channels/101/picture</requestURL>\n  <statusCode>6</statusCode>\n  <statusString>Invalid XML Content</statusString>\n  <subStatusCode>badXmlContent</subStatusCode>\n</ResponseStatus>\n"
			case "/ISAPI/System/factoryReset?mode=full":
				return 200, `<?xml version="1.0" encoding="UTF-8" ?>` + "\n" + `<ResponseStatus version="2.0"` + "\n" + `  xmlns="` + nsNew + `">` + "\n  <statusCode>3</statusCode>\n  <statusString>Device Error</statusString>\n  <subStatusCode>deviceError</subStatusCode>\n</ResponseStatus>\n"
			}
			return 404, ""
		})
		got, err := d.Info(t.Context())
		c.want.URL, c.want.Init = "http://192.0.2.1", rig.InitOld
		if diff := cmp.Diff(got, c.want); err != nil || diff != "" {
			t.Errorf("%s: %v (-got +want):\n%s", c.name, err, diff)
		}
		s, err := nvr.Speak(t.Context(), d)
		if err != nil {
			t.Fatal(err)
		}
		if up, err := s.Uptime(t.Context()); err != nil || up != c.up {
			t.Errorf("%s: uptime %v, %v", c.name, up, err)
		}
		for _, table := range []string{"System/Video/inputs/channels", "Streaming/channels/101/picture"} {
			if _, err := s.Table(t.Context(), table); !errors.Is(err, rig.ErrUnsupported) {
				t.Errorf("%s: %s: %v", c.name, table, err)
			}
		}
		if err := s.Reset(t.Context(), ""); !errors.Is(err, rig.ErrWrite) || !strings.Contains(err.Error(), "Device Error") {
			t.Errorf("%s: reset: %v", c.name, err)
		}
	}
}

// What Dahua's ONVIF and two others answered, after AlexxIT/go2rtc's
// pkg/onvif/onvif_test.go: on one line and indented, with names that hold dots,
// and with a prefix that nobody declared.
func TestRecordedONVIF(t *testing.T) {
	const open = `<?xml version="1.0" encoding="utf-8" standalone="yes" ?><s:Envelope xmlns:sc="http://www.w3.org/2003/05/soap-encoding" xmlns:s="http://www.w3.org/2003/05/soap-envelope" xmlns:tt="http://www.onvif.org/ver10/schema" xmlns:tds="http://www.onvif.org/ver10/device/wsdl"><s:Header/><s:Body>`
	const closed = `</s:Body></s:Envelope>`
	answers := map[string]string{
		"GetDeviceInformation": open + `<tds:GetDeviceInformationResponse><tds:SerialNumber>7A0012345678</tds:SerialNumber></tds:GetDeviceInformationResponse>` + closed,
		"GetCapabilities": open + `<tds:GetCapabilitiesResponse><tds:Capabilities><tt:Device><tt:XAddr>http://192.168.1.123/onvif/device_service</tt:XAddr><tt:Network><tt:IPFilter>false</tt:IPFilter></tt:Network><tt:System><tt:SupportedVersions><tt:Major>2</tt:Major><tt:Minor>00</tt:Minor></tt:SupportedVersions><tt:SupportedVersions><tt:Major>20</tt:Major><tt:Minor>06</tt:Minor></tt:SupportedVersions></tt:System>` +
			`<tt:IO><tt:InputConnectors>2</tt:InputConnectors><tt:Extension><tt:Auxiliary>false</tt:Auxiliary><tt:AuxiliaryCommands></tt:AuxiliaryCommands><tt:Extension></tt:Extension></tt:Extension></tt:IO><tt:Security><tt:TLS1.1>false</tt:TLS1.1><tt:X.509Token>false</tt:X.509Token></tt:Security></tt:Device><tt:Media><tt:XAddr>http://192.168.1.123/onvif/media_service</tt:XAddr></tt:Media></tds:Capabilities></tds:GetCapabilitiesResponse>` + closed,
		"GetStreamUri":   "<?xml version=\"1.0\" encoding=\"utf-8\" standalone=\"yes\"?>\n<s:Envelope xmlns:s=\"http://www.w3.org/2003/05/soap-envelope\" xmlns:tt=\"http://www.onvif.org/ver10/schema\"\n    xmlns:trt=\"http://www.onvif.org/ver10/media/wsdl\">\n    <s:Header />\n    <s:Body>\n        <trt:GetStreamUriResponse>\n            <trt:MediaUri>\n                <tt:Uri>\n                    rtsp://192.168.1.123:554/cam/realmonitor?channel=1&amp;subtype=1&amp;unicast=true&amp;proto=Onvif</tt:Uri>\n                <tt:Timeout>PT0S</tt:Timeout>\n            </trt:MediaUri>\n        </trt:GetStreamUriResponse>\n    </s:Body>\n</s:Envelope>",
		"GetSnapshotUri": "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<SOAP-ENV:Envelope>\n   <SOAP-ENV:Header></SOAP-ENV:Header>\n   <SOAP-ENV:Body>\n\t   <MC1:GetSnapshotUriResponse>\n\t\t   <MC1:MediaUri>\n\t\t\t   <MC2:Uri>\n\t\t\t\t\trtsp://192.168.5.53:8090/profile1=r\n\t\t\t\t</MC2:Uri>\n\t\t   </MC1:MediaUri>\n\t   </MC1:GetSnapshotUriResponse>\n   </SOAP-ENV:Body>\n</SOAP-ENV:Envelope>",
	}
	d := recorded(t, nvr.Model{Dialect: nvr.DialectONVIF}, func(_, body string) (int, string) {
		return 200, answers[inBody.FindStringSubmatch(body)[1]]
	})
	s, err := nvr.Speak(t.Context(), d)
	if err != nil {
		t.Fatal(err)
	}
	for table, want := range map[string]map[string]string{
		"Capabilities": {
			"Capabilities[0].Device.XAddr": "http://192.168.1.123/onvif/device_service", "Capabilities[0].Device.Network.IPFilter": "false",
			"Capabilities[0].Device.System.SupportedVersions[0].Major": "2", "Capabilities[0].Device.System.SupportedVersions[0].Minor": "00",
			"Capabilities[0].Device.System.SupportedVersions[1].Major": "20", "Capabilities[0].Device.System.SupportedVersions[1].Minor": "06",
			"Capabilities[0].Device.IO.InputConnectors": "2", "Capabilities[0].Device.IO.Extension.Auxiliary": "false",
			"Capabilities[0].Device.IO.Extension.AuxiliaryCommands": "", "Capabilities[0].Device.IO.Extension.Extension": "",
			"Capabilities[0].Device.Security.TLS1.1": "false", "Capabilities[0].Device.Security.X.509Token": "false",
			"Capabilities[0].Media.XAddr": "http://192.168.1.123/onvif/media_service",
		},
		"StreamUri":   {"StreamUri.Uri": "rtsp://192.168.1.123:554/cam/realmonitor?channel=1&subtype=1&unicast=true&proto=Onvif", "StreamUri.Timeout": "PT0S"},
		"SnapshotUri": {"SnapshotUri.Uri": "rtsp://192.168.5.53:8090/profile1=r"},
	} {
		got, err := s.Table(t.Context(), table)
		if diff := cmp.Diff(got, want); err != nil || diff != "" {
			t.Errorf("%s: %v (-got +want):\n%s", table, err, diff)
		}
	}
}
