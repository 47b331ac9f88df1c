package nvr_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"resetrig/nvr"
	"resetrig/rig"
)

// What real units answered, as their owners wrote it down in public: figures and
// words retyped here, each with the unit that said it.

func TestRecordedKeyValues(t *testing.T) {
	for unit, c := range map[string]struct {
		body string
		want map[string]string
	}{
		"DHI-NVR5232-EI, firmware 5.001, getSystemInfo": {
			"deviceType=31\r\nprocessor=ST7108\r\nserialNumber=BD04CE2PAJ3B9BF\r\nupdateSerial=DH-NVR5232-4KS3/I\r\n",
			map[string]string{"deviceType": "31", "processor": "ST7108", "serialNumber": "BD04CE2PAJ3B9BF", "updateSerial": "DH-NVR5232-4KS3/I"},
		},
		"the same, RecordMode": {
			"table.RecordMode[0].Mode=0\r\ntable.RecordMode[0].ModeExtra1=2\r\ntable.RecordMode[0].ModeExtra2=2\r\n",
			map[string]string{"table.RecordMode[0].Mode": "0", "table.RecordMode[0].ModeExtra1": "2", "table.RecordMode[0].ModeExtra2": "2"},
		},
		"DHI-VTO2311R-WP, getSystemInfo": {
			"deviceType=DHI-VTO2311R-WP\r\nprocessor=SSC338BQ\r\nserialNumber=AD0578CPAJ36130\r\n",
			map[string]string{"deviceType": "DHI-VTO2311R-WP", "processor": "SSC338BQ", "serialNumber": "AD0578CPAJ36130"},
		},
		"a camera, General": {
			"table.General.LocalNo=8\r\ntable.General.LockLoginEnable=false\r\ntable.General.LockLoginTimes=3\r\ntable.General.LoginFailLockTime=1800\r\ntable.General.MachineName=Cam4\r\ntable.General.MaxOnlineTime=3600\r\n",
			map[string]string{
				"table.General.LocalNo": "8", "table.General.LockLoginEnable": "false", "table.General.LockLoginTimes": "3",
				"table.General.LoginFailLockTime": "1800", "table.General.MachineName": "Cam4", "table.General.MaxOnlineTime": "3600",
			},
		},
		"a recorder, its accounts": {
			"users[0].Group=admin\r\nusers[0].ID=1\r\nusers[0].Memo=admin 's account\r\nusers[0].Name=admin\r\nusers[0].Password=******\r\nusers[0].Reserved=true\r\nusers[0].Sharable=true\r\n",
			map[string]string{
				"users[0].Group": "admin", "users[0].ID": "1", "users[0].Memo": "admin 's account", "users[0].Name": "admin",
				"users[0].Password": "******", "users[0].Reserved": "true", "users[0].Sharable": "true",
			},
		},
	} {
		got, err := nvr.ParseKeyValues(c.body)
		if diff := cmp.Diff(c.want, got); err != nil || diff != "" {
			t.Errorf("%s: %v\n%s", unit, err, diff)
		}
	}
	for _, no := range []string{
		"Error\r\nBad Request!\r\n", "Error\r\nInvalid Authority!\r\n", "Error ErrorID = 0, Detail = Invalid Authority!",
		"Error: Error -1 getting param in name=VideoInOptions[4].NightOptions.SwitchMode\r\n",
	} {
		if !nvr.SaysError(no) {
			t.Errorf("%q means no", no)
		}
	}
}

// One configuration, as two routes have it.
func TestRecordedTableOverTheRPC(t *testing.T) {
	got, err := nvr.Flat("RecordMode", `[{"Mode":0,"ModeExtra1":2,"ModeExtra2":2},{"Mode":"1","ModeExtra1":2.0,"Enable":true}]`)
	want := map[string]string{
		"RecordMode[0].Mode": "0", "RecordMode[0].ModeExtra1": "2", "RecordMode[0].ModeExtra2": "2",
		"RecordMode[1].Mode": "1", "RecordMode[1].ModeExtra1": "2.0", "RecordMode[1].Enable": "true",
	}
	if diff := cmp.Diff(want, got); err != nil || diff != "" {
		t.Errorf("%v\n%s", err, diff)
	}
	got, err = nvr.Grafted("RecordMode", `[{"Mode":0,"ModeExtra1":2}]`, "RecordMode[0].Mode", "2")
	if diff := cmp.Diff(map[string]string{"RecordMode[0].Mode": "2", "RecordMode[0].ModeExtra1": "2"}, got); err != nil || diff != "" {
		t.Errorf("%v\n%s", err, diff)
	}
}

func TestRecordedRPC(t *testing.T) {
	for unit, c := range map[string]struct {
		body        string
		ok          bool
		code        int64
		tries, lock int
	}{
		"an Amcrest camera, the first step":              {`{"error":{"code":268632079,"message":"Component error: login challenge!"},"id":1,"params":{"authorization":"0ab","encryption":"Default","mac":"9C8ECD","random":"3734299","realm":"Login to AMC0"},"result":false,"session":1005027323}`, false, 268632079, -1, -1},
		"a camera, a wrong password":                     {`{"error":{"code":268632085,"message":"Component error: User or password not valid!"},"id":3,"params":{"remainLockSecond":0,"remainLoginTimes":2},"result":false,"session":2147483643}`, false, 268632085, 2, 0},
		"another, three tries left":                      {`{"error":{"code":268632085,"message":"Component error: User or password not valid!"},"id":5,"params":{"remainLockSecond":0,"remainLoginTimes":3},"result":false,"session":76594003}`, false, 268632085, 3, 0},
		"the first, the right password":                  {`{"id":3,"params":{"keepAliveInterval":60},"result":true,"session":"4f8fc4ebe6ab2b4b6a04909b3fb91686"}`, true, 0, -1, -1},
		"DHI-NVR5232-EI, a handle":                       {`{"id":3,"result":2499970352,"session":"4f8f"}`, true, 0, -1, -1},
		"DHI-VTO2311R-WP, the state of its calls":        {`{"id":9,"params":{"callState":"Idle"},"result":true}`, true, 0, -1, -1},
		"a recorder, a table that it does not know":      {`{"error":{"code":403,"message":"Authority:check failure."},"result":false}`, false, 403, -1, -1},
		"DHI-NVR5232-EI, a call within system.multicall": {`{"id":4,"result":false}`, false, 0, -1, -1},
	} {
		ok, code, tries, lock, err := nvr.RPCSays(c.body)
		if err != nil || ok != c.ok || code != c.code || tries != c.tries || lock != c.lock {
			t.Errorf("%s: ok %v, code %d, left %d, lock %d, %v", unit, ok, code, tries, lock, err)
		}
	}
}

// A VTO2000A's answer to discovery, in the frames in which units were seen to
// send it: a header that is longer than it says, lengths that are zero.
func TestRecordedDHIP(t *testing.T) {
	msg := `{"mac": "3c:ef:8c:41:6c:ce", "method": "client.notifyDevInfo", "params": {"deviceInfo": {"AlarmInputChannels": 8, "DeviceClass": "VTO", "DeviceType": "VTO2000A", "Find": "BC", "HttpPort": 80, "Init": 150, "IPv4Address": {"IPAddress": "192.168.0.232", "SubnetMask": "255.255.255.0", "DefaultGateway": "192.168.0.4", "DhcpEnable": false}, "MachineName": "3C06520PAN00001", "Port": 37777, "SerialNo": "3C06520PAN00001", "Vendor": "General", "Version": "3.120.0000.0.R"}}}`
	want := nvr.Found{
		IP: "192.168.0.232", HTTPPort: 80, MAC: "3c:ef:8c:41:6c:ce", Serial: "3C06520PAN00001", Class: "VTO", Type: "VTO2000A",
		Vendor: "General", Version: "3.120.0000.0.R", Name: "3C06520PAN00001", Init: 150, InitKnown: true,
	}
	for how, b := range map[string][]byte{
		"as it is": framed(msg, len(msg)), "lengths of zero": framed(msg, 0),
		"8 zeros more": framed(strings.Repeat("\x00", 8)+msg, 0), "with a NUL": framed(msg+"\n\x00", len(msg)+2),
	} {
		got, err := nvr.ParseFound(b)
		if diff := cmp.Diff(want, got); err != nil || diff != "" {
			t.Errorf("%s: %v\n%s", how, err, diff)
		}
	}
	if want.Init&3 != 2 {
		t.Error("150 is initialised")
	}
	for what, b := range map[string][]byte{
		"bare JSON": []byte(msg), "half": framed(msg[:60], 60), "a list": framed(`["not", "an", "object"]`, 0), "a number": framed("42", 0), "a string": framed(`{"params": {"deviceInfo": "a string"}}`, 0),
	} {
		if got, err := nvr.ParseFound(b); err == nil {
			t.Errorf("%s: %+v", what, got)
		}
	}
}

// What a locked unit says beside its code.
func TestRecordedLock(t *testing.T) {
	for body, status := range map[string]int{
		"Error\r\nUser Locked! Please try again after 30 minutes.\r\n": 401,
		"Authority:check failure.":                                     403,
	} {
		b := newBench(t, nvr.Old)
		b.u.hook = func(w http.ResponseWriter, r *http.Request) bool {
			if r.Header.Get("Authorization") == "" {
				return false
			}
			w.Header().Set("WWW-Authenticate", b.u.challenge("n"))
			w.WriteHeader(status)
			_, _ = w.Write([]byte(body))
			return true
		}
		if r := b.open(t).Login(t.Context(), rig.Credential{User: "admin", Password: "admin"}); r.Reason != rig.ReasonLocked {
			t.Errorf("%d %q: %+v", status, body, r)
		}
	}
}
