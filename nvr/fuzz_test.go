package nvr_test

import (
	"encoding/binary"
	"errors"
	"maps"
	"strings"
	"testing"

	"resetrig/nvr"
	"resetrig/rig"
)

// What a recorder says is anything: it is read, or it is garbage, and nothing
// else. The seeds are what recorders were seen to say, and what they were not.

func FuzzKeyValues(f *testing.F) {
	for _, s := range []string{
		"", "sn=1\r\n", "OK\r\n", "Error\r\nBad Request!\r\n", "table.General.MachineName=Site B = NVR\r\ntable.General.LockLoginTimes=5\r\n",
		"users[0].Memo=admin 's account\r\nusers[0].Password=******\r\n", "a=\n", "=b\n", "a=b", "<html>\n", "a=\xff\xfe\n", "a\x00=b\r\n", "\r\n\r\n",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, body string) {
		kv, err := nvr.ParseKeyValues(body)
		if err != nil {
			if !errors.Is(err, rig.ErrGarbage) || len(err.Error()) > 400 {
				t.Fatalf("%v", err)
			}
			return
		}
		if body != "" && !strings.HasSuffix(body, "\n") {
			t.Fatalf("half an answer was read: %q", body)
		}
		var again strings.Builder
		for k, v := range kv {
			if strings.ContainsAny(k, "<>{}\"\n=") || strings.Contains(v, "\n") {
				t.Fatalf("key %q, value %q", k, v)
			}
			again.WriteString(k + "=" + v + "\r\n")
		}
		if strings.Contains(body, "\r") { // a value may end in one, and lose it
			return
		}
		if twice, err := nvr.ParseKeyValues(again.String()); err != nil || !maps.Equal(kv, twice) {
			t.Fatalf("%q, then %q: %v", kv, twice, err)
		}
	})
}

func FuzzRPC(f *testing.F) {
	for _, s := range []string{
		`{"error":{"code":268632079,"message":"Component error: login challenge!"},"id":1,"params":{"authorization":"ab","encryption":"Default","mac":"3cef8c","random":"3734299","realm":"Login to AMC0"},"result":false,"session":1005027323}`,
		`{"error":{"code":268632085,"message":"Component error: User or password not valid!"},"id":3,"params":{"remainLockSecond":0,"remainLoginTimes":2},"result":false,"session":2147483643}`,
		`{"id":3,"params":{"keepAliveInterval":60},"result":true,"session":"4f8fc4ebe6ab2b4b6a04909b3fb91686"}`,
		`{"id":4,"params":null,"result":2499970352,"session":"x"}` + "\n\x00", `{"result":"true"}`, `{"result":-1}`, `{"result":0}`, `{"result":1e999}`, `{"result":{}}`,
		`{"error":null,"result":null}`, `{"error":{"code":403,"message":"Authority:check failure."},"result":false}`, `[]`, `null`, `"x"`, ``, `{`, `{"result":true}{"result":false}`,
		`{"error":{"code":9223372036854775808}}`, `{"result":false,"params":{"remainLoginTimes":"2","remainLockSecond":-5}}`, "\xff{\"result\":true}", `{"result":true,"params":[1,2]}`,
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, body string) {
		ok, code, tries, lock, err := nvr.RPCSays(body)
		switch {
		case err != nil && (!errors.Is(err, rig.ErrGarbage) || len(err.Error()) > 400):
			t.Fatal(err)
		case err != nil && ok:
			t.Fatal("garbage that is ok")
		case ok && !strings.Contains(strings.ToLower(body), "result"):
			t.Fatalf("ok without a result: code %d", code)
		case tries < -1 || lock < -1 || tries > 1e9 || lock > 1e9:
			t.Fatalf("left %d, lock %d", tries, lock)
		}
	})
}

func FuzzTable(f *testing.F) {
	for _, s := range [][3]string{
		{`{"MachineName":"NVR","LockLoginTimes":5,"LockLoginEnable":true,"x":null}`, "T.MachineName", "rr-1"},
		{`[{"Mode":0,"ModeExtra1":2},{"Mode":"0"}]`, "T[1].Mode", "7"}, {`{"eth0":{"DnsServers":["8.8.8.8"]}}`, "T.eth0.DnsServers[0]", "1.1.1.1"},
		{`{"a":{}}`, "T.a", "x"}, {`1e5`, "T", "1"}, {`{"":{"":[[]]}}`, "T..[0]", ""}, {`{"a":[`, "T.a[0]", "x"}, {`{"a.b":1,"a":{"b":2}}`, "T.a.b", "3"},
		{strings.Repeat("[", 2000), "T[0]", "x"}, {`{"a":9007199254740993}`, "T.a", "9007199254740995"}, {`{"a":true}`, "T.a", "maybe"}, {`{"a":1}`, "T]a[", ""},
	} {
		f.Add(s[0], s[1], s[2])
	}
	f.Fuzz(func(t *testing.T, table, key, value string) {
		before, err := nvr.Flat("T", table)
		if err != nil && !errors.Is(err, rig.ErrGarbage) {
			t.Fatal(err)
		}
		if !strings.HasPrefix(key, "T.") && !strings.HasPrefix(key, "T[") {
			return
		}
		after, gerr := nvr.Grafted("T", table, key, value)
		if gerr != nil {
			return
		}
		if err != nil || len(after) != len(before) {
			t.Fatalf("%v: %v, then %v", err, before, after)
		}
		changed := 0
		for k, v := range after {
			if before[k] != v {
				changed++
			}
		}
		if changed > 1 {
			t.Fatalf("%s=%s changed %v to %v", key, value, before, after)
		}
	})
}

func FuzzDHIP(f *testing.F) {
	msg := `{"mac":"3c:ef:8c:00:00:01","method":"client.notifyDevInfo","params":{"deviceInfo":{"DeviceClass":"NVR","HttpPort":80,"IPv4Address":{"IPAddress":"192.0.2.1"},"SerialNo":"1","Init":3210}}}`
	for _, m := range []string{msg, msg + "\n\x00", "\x00\x00\x00\x00\x00\x00\x00\x00" + msg, "{}", "", "[]", `{"method":"client.notifyDevInfo","params":{"deviceInfo":"x"}}`, `{"method":"client.notifyDevInfo","params":null}`, strings.Replace(msg, "80", "-80", 1), strings.Replace(msg, "3210", "1e300", 1)} {
		for _, n := range []int{len(m), 0, len(m) - 1, 1<<31 - 1} {
			f.Add(framed(m, n))
		}
	}
	f.Add([]byte(msg))
	f.Fuzz(func(t *testing.T, b []byte) {
		found, err := nvr.ParseFound(b)
		if err != nil {
			if !errors.Is(err, rig.ErrGarbage) {
				t.Fatal(err)
			}
			return
		}
		if string(b[4:8]) != "DHIP" {
			t.Fatalf("%q was read as %+v", b, found)
		}
		_ = found.URL()
	})
}

// framed is a datagram whose header says that so much follows.
func framed(msg string, n int) []byte {
	b := make([]byte, 32, 32+len(msg))
	binary.LittleEndian.PutUint32(b, 32)
	copy(b[4:], "DHIP")
	binary.LittleEndian.PutUint64(b[16:], uint64(n))
	binary.LittleEndian.PutUint64(b[24:], uint64(n))
	return append(b, msg...)
}

func FuzzChallenges(f *testing.F) {
	for _, s := range []string{
		`Digest realm="Login to ND021811019863",qop="auth",nonce="211955164",opaque="9a20"`, `Digest realm="Login to 0123456789abcdef", qop="auth", nonce="MTIzNDU2+/=", opaque="", stale="false"`,
		`Basic realm="Device_CGI"`, `Basic realm="x", Digest realm="y", nonce="n"`, "Digest\trealm=x,\tnonce=a_b=,", `DIGEST REALM="a\"b" , NONCE="n",,`, `Digest`, `=`, `"`, `Digest realm="`, `, ,`, `Negotiate YII=`, "Digest realm=\"\xff\"",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, header string) {
		for _, c := range nvr.Challenges(header) {
			if c.Scheme == "" || c.Scheme != strings.ToLower(c.Scheme) {
				t.Fatalf("%q: %+v", header, c)
			}
			for k, v := range c.Params {
				if k == "" || k != strings.ToLower(k) || len(v) > len(header) {
					t.Fatalf("%q: %q=%q", header, k, v)
				}
			}
		}
	})
}
