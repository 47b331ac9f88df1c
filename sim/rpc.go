package sim

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Codes of the JSON-RPC.
const (
	codeChallenge      = 268632079
	codeBadLogin       = 268632085
	codeLocked         = 268632081
	codeUninitialised  = 268632086
	codeNoMethod       = 268894210
	codeBadParameter   = 268894211
	codeBadSession     = 287637505
	codeNoAuthority    = 285278249
	codeInternal       = 268959743
	sessionKeepSeconds = 60
)

// session is one RPC2 session.
type session struct {
	user    string
	random  string
	in      bool // logged in
	expires time.Duration
}

type rpcRequest struct {
	Method  string          `json:"method"`
	Params  json.RawMessage `json:"params"`
	ID      json.RawMessage `json:"id"`
	Session json.RawMessage `json:"session"`
}

// rpcAnswer is a response before it becomes JSON.
type rpcAnswer struct {
	result any
	params any
	code   int
	text   string
}

func rpcOK(params any) rpcAnswer { return rpcAnswer{result: true, params: params} }

func rpcError(code int, text string) rpcAnswer {
	return rpcAnswer{result: false, code: code, text: text}
}

func mustJSON(v any) []byte {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		panic(fmt.Sprintf("encode an answer of the simulated unit: %v", err)) // only maps, strings and numbers go in
	}
	return bytes.TrimRight(b.Bytes(), "\n")
}

// rpc answers a POST to /RPC2_Login, /RPC2 or /OutsideCmd.
func (w dahua) rpc(path string, body []byte) answer {
	var q rpcRequest
	if json.Unmarshal(body, &q) != nil || q.Method == "" {
		return badRequest()
	}
	id := string(bytes.Trim(q.Session, `"`))
	var a rpcAnswer
	null := false
	switch {
	case path == "/OutsideCmd":
		a = w.outside(q)
	case path == "/RPC2_Login":
		a, id = w.rpcLogin(q, id)
	case q.Method == "Security.getEncryptInfo" && w.model.Generation == NewGeneration:
		a = rpcOK(w.encryptInfo())
	default:
		s := w.server.sessions[id]
		if s == nil || !s.in || w.now > s.expires {
			a = rpcError(codeBadSession, "Invalid session in request data!")
			break
		}
		s.expires = w.now + sessionKeepSeconds*time.Second
		a = w.rpcCall(q, id, s)
	}
	if w.quirk(resultHandle) && a.result == true {
		a.result = 1 + w.server.ids%97*8
	}
	if w.quirk(paramsNull) {
		if a.code != 0 && a.code != codeChallenge {
			a.params = nil
		}
		null = a.params == nil
	}
	if w.quirk(numbersAsStrings) {
		a.params = stringify(a.params)
	}
	out := map[string]any{"result": a.result}
	if len(q.ID) > 0 {
		out["id"] = q.ID
	}
	if a.params != nil || a.code == 0 || null {
		out["params"] = a.params
	}
	if a.code != 0 {
		out["error"] = map[string]any{"code": a.code, "message": a.text}
	}
	if id != "" && id != "0" && path != "/OutsideCmd" {
		out["session"] = w.sessionValue(id)
	}
	return answer{status: 200, kind: "application/json;charset=utf-8", body: string(mustJSON(out)) + "\n"}
}

// stringify writes the numbers of a params object as strings.
func stringify(v any) any {
	switch x := v.(type) {
	case map[string]any:
		out := make(map[string]any, len(x))
		for k, y := range x {
			out[k] = stringify(y)
		}
		return out
	case []any:
		out := make([]any, len(x))
		for i, y := range x {
			out[i] = stringify(y)
		}
		return out
	case int:
		return strconv.Itoa(x)
	case float64:
		return strconv.FormatFloat(x, 'g', -1, 64)
	}
	return v
}

// sessionValue is a session as the unit writes it: a number or a text.
func (w dahua) sessionValue(id string) any {
	if w.quirk(sessionNumber) {
		n, err := strconv.ParseUint(id, 10, 64)
		if err == nil {
			return n
		}
	}
	return id
}

// rpcLogin is both steps of global.login.
func (w dahua) rpcLogin(q rpcRequest, id string) (rpcAnswer, string) {
	var p struct {
		User     string `json:"userName"`
		Password string `json:"password"`
	}
	if q.Method != "global.login" || json.Unmarshal(q.Params, &p) != nil {
		return rpcError(codeNoMethod, "Component error: no method or no right!"), id
	}
	lock := func() rpcAnswer {
		seconds, times := w.remaining()
		a := rpcError(codeLocked, "Component error: User locked!")
		a.params = map[string]any{"remainLockSecond": seconds, "remainLoginTimes": times}
		return a
	}
	s := w.server.sessions[id]
	if p.Password == "" || s == nil {
		id, s = w.newSession(p.User)
		if w.locked() && w.quirk(lockAtFirstStep) {
			return lock(), id
		}
		params := map[string]any{
			"authorization": hexOf(id, 40), "encryption": "Default", "mac": strings.ToUpper(strings.ReplaceAll(w.mac(), ":", "")),
			"random": s.random, "realm": w.rpcRealm(),
		}
		if w.model.Generation == NewGeneration {
			params["opaque"], params["qop"] = "", "auth"
		}
		return rpcAnswer{result: false, params: params, code: codeChallenge, text: "Component error: login challenge!"}, id
	}
	random := s.random
	s.random = "" // a challenge is good for one answer
	if !w.front().initialised {
		return rpcError(codeUninitialised, "Component error: device is not initialized!"), id
	}
	if w.locked() {
		w.refuse()
		return lock(), id
	}
	u := w.front().user(p.User)
	ok := u != nil && !u.hidden && u.password != "" && random != "" && s.user == p.User
	if ok {
		inner := strings.ToUpper(md5hex(p.User + ":" + w.rpcRealm() + ":" + u.password))
		ok = p.Password == strings.ToUpper(md5hex(p.User+":"+random+":"+inner))
	}
	if !ok {
		w.refuse()
		seconds, times := w.remaining()
		a := rpcError(codeBadLogin, "Component error: User or password not valid!")
		a.params = map[string]any{"remainLockSecond": seconds, "remainLoginTimes": times}
		return a, id
	}
	w.server.wrong = nil
	s.in, s.expires = true, w.now+sessionKeepSeconds*time.Second
	return rpcOK(map[string]any{"keepAliveInterval": sessionKeepSeconds}), id
}

func (w dahua) rpcRealm() string {
	if w.model.Generation == OldGeneration {
		return "Login to " + w.serial()
	}
	return w.realm()
}

// maxSessions is how many sessions the unit keeps; the next pushes all out.
const maxSessions = 64

func (w dahua) newSession(user string) (string, *session) {
	srv := &w.server
	if srv.sessions == nil || len(srv.sessions) >= maxSessions {
		srv.sessions = map[string]*session{}
	}
	s := &session{user: user}
	var id string
	srv.ids++
	if w.quirk(sessionNumber) {
		id = strconv.FormatUint(1005027323+uint64(srv.ids)*4096, 10)
		s.random = strconv.FormatUint(1000000+w.netRnd.Uint64N(9000000), 10)
	} else {
		id = fmt.Sprintf("%016x%016x", w.netRnd.Uint64(), w.netRnd.Uint64())
		s.random = strconv.FormatUint(1000000000+w.netRnd.Uint64N(1000000000), 10)
	}
	srv.sessions[id] = s
	return id, s
}

// rpcCall answers a method within a session.
func (w dahua) rpcCall(q rpcRequest, id string, s *session) rpcAnswer {
	u := w.front().user(s.user)
	if u == nil {
		return rpcError(codeBadSession, "Invalid session in request data!")
	}
	admin := u.group == "admin"
	denied := rpcError(codeNoAuthority, "Component error: no authority!")
	switch q.Method {
	case "global.keepAlive":
		return rpcOK(map[string]any{"timeout": 300})
	case "global.logout":
		delete(w.server.sessions, id)
		return rpcOK(nil)
	case "magicBox.getDeviceType":
		return rpcOK(map[string]any{"type": w.model.DeviceType})
	case "magicBox.getSerialNo":
		return rpcOK(map[string]any{"sn": w.serial()})
	case "magicBox.getSoftwareVersion":
		version, build, _ := strings.Cut(w.firmware(), ",build:")
		return rpcOK(map[string]any{"version": map[string]any{"Version": version, "BuildDate": build}})
	case "magicBox.getUpTime":
		up := int((w.now - w.unit.kernelAt).Seconds())
		return rpcOK(map[string]any{"info": map[string]any{"Last": up, "Total": 86400*37 + up}})
	case "magicBox.reboot":
		if !admin {
			return denied
		}
		w.commandReboot()
		return rpcOK(nil)
	case "magicBox.resetSystem":
		if !w.quirk(resetEnvelope) && !w.quirk(resetEnvelopeOnly) {
			break
		}
		return w.rpcReset(q, u)
	case "configManager.getConfig", "configManager.getDefault":
		return w.rpcGetConfig(q)
	case "configManager.setConfig":
		if !admin {
			return denied
		}
		return w.rpcSetConfig(q)
	case "configManager.restore", "configManager.restoreExcept":
		if !admin {
			return denied
		}
		return w.rpcRestore(q)
	case "system.listMethod":
		return rpcOK(map[string]any{"method": rpcMethods()})
	case "system.multicall":
		return w.rpcMulticall(q, id, s)
	}
	if strings.HasPrefix(q.Method, "userManager.") {
		return w.rpcUsers(q, u)
	}
	return rpcError(codeNoMethod, "Component error: no method or no right!")
}

// rpcReset takes the envelope of a full reset: {"pwd": the administrator's}.
// The content of a real one was never seen.
func (w dahua) rpcReset(q rpcRequest, u *user) rpcAnswer {
	content, err := w.open(q.Params)
	var p struct {
		Password string `json:"pwd"`
	}
	if err != nil || json.Unmarshal(content, &p) != nil {
		return rpcError(codeBadParameter, "Component error: bad parameter!")
	}
	if u.group != "admin" || p.Password != u.password {
		return rpcError(codeNoAuthority, "Component error: no authority!")
	}
	if w.faults[resetRefused] {
		return rpcError(codeInternal, "Component error: internal error!")
	}
	w.commandReset(keeping{})
	return rpcOK(nil)
}

func (w dahua) rpcRestore(q rpcRequest) rpcAnswer {
	var p struct {
		Names []string `json:"names"`
	}
	if json.Unmarshal(q.Params, &p) != nil {
		return rpcError(codeBadParameter, "Component error: bad parameter!")
	}
	if q.Method == "configManager.restoreExcept" {
		p.Names = w.front().except(p.Names)
	} else if w.quirk(restoreFails) {
		return rpcError(codeInternal, "Component error: internal error!")
	}
	if w.faults[resetRefused] {
		return rpcError(codeInternal, "Component error: internal error!")
	}
	if w.faults[refusedWrite] || !w.restoreTables(p.Names) {
		return rpcError(codeBadParameter, "Component error: bad parameter!")
	}
	if q.Method == "configManager.restoreExcept" && w.quirk(restoreError) {
		return rpcError(codeInternal, "Component error: internal error!")
	}
	return rpcOK(nil)
}

func (w dahua) rpcGetConfig(q rpcRequest) rpcAnswer {
	var p struct {
		Name string `json:"name"`
	}
	f := w.front()
	if q.Method == "configManager.getDefault" {
		f = w.factoryFlash()
	}
	if json.Unmarshal(q.Params, &p) != nil || f.table(p.Name) == nil {
		return rpcError(codeBadParameter, "Component error: bad parameter!")
	}
	return rpcOK(map[string]any{"table": f.table(p.Name).tree()})
}

func (w dahua) rpcSetConfig(q rpcRequest) rpcAnswer {
	var p struct {
		Name  string         `json:"name"`
		Table map[string]any `json:"table"`
	}
	d := json.NewDecoder(bytes.NewReader(q.Params))
	d.UseNumber()
	bad := rpcError(codeBadParameter, "Component error: bad parameter!")
	if d.Decode(&p) != nil || w.faults[refusedWrite] {
		return bad
	}
	t := w.front().table(p.Name)
	if t == nil {
		return bad
	}
	flat := map[string]string{}
	flatten(flat, "", p.Table)
	for k := range flat {
		if _, ok := t.get(k); !ok {
			return bad
		}
	}
	for k, v := range flat {
		t.set(k, v)
	}
	return rpcOK(map[string]any{"options": nil})
}

// tree is a table as JSON: dots nest, numbers and truths are what they are.
func (t *table) tree() map[string]any {
	root := map[string]any{}
	for _, r := range t.rows {
		at, parts := root, strings.Split(r.key, ".")
		for _, p := range parts[:len(parts)-1] {
			next, ok := at[p].(map[string]any)
			if !ok {
				next = map[string]any{}
				at[p] = next
			}
			at = next
		}
		var v any = r.value
		if n, err := strconv.Atoi(r.value); err == nil {
			v = n
		} else if b, err := strconv.ParseBool(r.value); err == nil {
			v = b
		}
		at[parts[len(parts)-1]] = v
	}
	return root
}

func flatten(into map[string]string, prefix string, v map[string]any) {
	for k, x := range v {
		if m, ok := x.(map[string]any); ok {
			flatten(into, prefix+k+".", m)
			continue
		}
		into[prefix+k] = fmt.Sprint(x)
	}
}
