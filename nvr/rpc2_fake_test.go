package nvr_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"

	"resetrig/nvr"
)

// rpcUnit is what a unit has that speaks JSON-RPC.
type rpcUnit struct {
	words    bool            // sessions are hex strings; numbers otherwise
	deaf     bool            // the CGI refuses the right password
	mute     bool            // no commands without a login
	tries    int             // refusals until the lock, which it tells; 0: it tells nothing
	locks    int             // how long the lock lasts, as it says, in seconds
	sessions map[string]bool // open ones, as they are written; true: logged in
	given    int
	uptime   int
	plainNum bool // numbers of tables are written as numbers, not as strings
	took     []string
}

// newRPC makes a unit speak JSON-RPC.
func (u *unit) newRPC() *rpcUnit {
	u.rpc = &rpcUnit{sessions: map[string]bool{}, uptime: 7}
	return u.rpc
}

func (u *unit) tree(table map[string]string, name string) any {
	root := map[string]any{}
	for k, v := range table {
		parts := strings.Split(k, ".")
		if parts[0] != name {
			continue
		}
		at := root
		for _, p := range parts[1 : len(parts)-1] {
			if at[p] == nil {
				at[p] = map[string]any{}
			}
			at = at[p].(map[string]any)
		}
		at[parts[len(parts)-1]] = v
		if u.rpc.plainNum && v == "8" {
			at[parts[len(parts)-1]] = 8
		}
	}
	if len(root) == 0 {
		return nil
	}
	return root
}

func leaves(name string, v any, into map[string]string) {
	if m, ok := v.(map[string]any); ok {
		for k, sub := range m {
			leaves(name+"."+k, sub, into)
		}
		return
	}
	into[name] = fmt.Sprint(v)
}

func (u *unit) speak(w http.ResponseWriter, r *http.Request) {
	b, _ := io.ReadAll(r.Body)
	var q struct {
		Method  string
		Params  json.RawMessage
		ID      int
		Session json.RawMessage
	}
	if json.Unmarshal(b, &q) != nil {
		http.Error(w, "Bad Request!", 400)
		return
	}
	p := u.rpc
	session := string(q.Session)
	no := func(code int, params string) {
		s := session
		if s == "" {
			s = "0"
		}
		fmt.Fprintf(w, `{"error":{"code":%d,"message":"Component error"},"id":%d,"params":%s,"result":false,"session":%s}`, code, q.ID, params, s)
	}
	yes := func(params any) {
		j, _ := json.Marshal(params)
		fmt.Fprintf(w, `{"id":%d,"params":%s,"result":true,"session":%s}`+"\n\x00", q.ID, j, session)
	}
	if r.URL.Path == "/RPC2_Login" {
		u.rpcLogin(w, q.Params, q.ID, &session, no)
		return
	}
	if q.Method == "Security.getEncryptInfo" {
		yes(map[string]any{"pub": u.pub(), "asymmetric": "RSA", "cipher": []string{"AES", "RPAC"}})
		return
	}
	if cookie, err := r.Cookie("WebClientHttpSessionID"); !p.sessions[session] || err != nil || cookie.Value != "c0ffee" {
		no(287637505, "null")
		return
	}
	if q.Method == "global.logout" {
		delete(p.sessions, session)
		yes(nil)
		return
	}
	p.took = append(p.took, q.Method)
	var a struct {
		Name, Pwd, PwdOld string
		Names             []string
		Table             map[string]any
		User              struct{ Name, Password, Group string }
	}
	_ = json.Unmarshal(q.Params, &a)
	write := func(do func()) {
		switch {
		case u.refuse:
			no(268894211, "null")
		case u.forget:
			yes(nil)
		default:
			do()
			yes(nil)
		}
	}
	switch q.Method {
	case "magicBox.getSerialNo":
		yes(map[string]any{"sn": u.serial})
	case "magicBox.getDeviceType":
		yes(map[string]any{"type": "IMOU-NVR1104"})
	case "magicBox.getSoftwareVersion":
		version, build, _ := strings.Cut(u.version, ",build:")
		yes(map[string]any{"version": map[string]string{"Version": version, "BuildDate": build}})
	case "magicBox.getUpTime":
		yes(map[string]any{"info": map[string]int{"Last": p.uptime, "Total": 99999}})
	case "configManager.getConfig", "configManager.getDefault":
		from := u.config
		if q.Method == "configManager.getDefault" {
			from = u.defaults
		}
		if t := u.tree(from, a.Name); t != nil {
			yes(map[string]any{"table": t})
		} else {
			no(268894211, "null")
		}
	case "configManager.setConfig":
		write(func() { leaves(a.Name, a.Table, u.config) })
	case "configManager.restore", "configManager.restoreExcept":
		write(func() {
			for k, v := range u.defaults {
				table, _, _ := strings.Cut(k, ".")
				if q.Method == "configManager.restore" && slices.Contains(a.Names, table) || q.Method == "configManager.restoreExcept" && table != "Network" {
					u.config[k] = v
				}
			}
		})
	case "userManager.getUserInfoAll":
		var users []map[string]any
		for _, name := range u.names() {
			users = append(users, map[string]any{"Name": name, "Group": "admin", "Id": len(users) + 1})
		}
		yes(map[string]any{"users": users})
	case "userManager.modifyPassword":
		if u.accounts[a.Name] != a.PwdOld {
			no(268632085, "null")
			return
		}
		write(func() { u.accounts[a.Name] = a.Pwd })
	case "userManager.addUser":
		write(func() { u.accounts[a.User.Name] = a.User.Password })
	case "userManager.deleteUser":
		write(func() { delete(u.accounts, a.Name) })
	case "magicBox.resetSystem":
		var e nvr.Envelope
		var in struct{ Pwd string }
		if json.Unmarshal(q.Params, &e) != nil || json.Unmarshal(u.open(e), &in) != nil || in.Pwd != u.accounts["admin"] {
			no(268632085, "null")
			return
		}
		write(u.reset)
	default:
		no(268894210, "null")
	}
}

// rpcLogin is both steps of global.login.
func (u *unit) rpcLogin(w http.ResponseWriter, params json.RawMessage, id int, session *string, no func(int, string)) {
	var a struct{ UserName, Password, AuthorityType string }
	_ = json.Unmarshal(params, &a)
	p := u.rpc
	if u.lockAt > 0 && u.refused >= u.lockAt {
		no(268632081, fmt.Sprintf(`{"remainLockSecond":%d,"remainLoginTimes":0}`, p.locks))
		return
	}
	if a.Password == "" {
		p.given++
		*session = fmt.Sprint(1005027323 + p.given)
		if p.words {
			*session = fmt.Sprintf(`"%032x"`, p.given)
		}
		p.sessions[*session] = false
		fmt.Fprintf(w, `{"error":{"code":268632079,"message":"Component error: login challenge!"},"id":%d,"params":{"authorization":"ab","encryption":"Default","mac":"","random":"%d","realm":"Login to AMC01"},"result":false,"session":%s}`, id, 3734000+p.given, *session)
		return
	}
	if u.gen == nvr.New && u.init == 1 {
		no(268632086, "null")
		return
	}
	hash := strings.ToUpper(md5hex(a.UserName + ":Login to AMC01:" + u.accounts[a.UserName]))
	want := strings.ToUpper(md5hex(fmt.Sprintf("%s:%d:%s", a.UserName, 3734000+p.given, hash)))
	if _, known := u.accounts[a.UserName]; !known || a.Password != want || a.AuthorityType != "Default" {
		u.refused++
		left := "null"
		if p.tries > 0 {
			left = fmt.Sprintf(`{"remainLockSecond":0,"remainLoginTimes":%d}`, max(0, p.tries-u.refused))
		}
		no(268632085, left)
		return
	}
	p.sessions[*session] = true
	http.SetCookie(w, &http.Cookie{Name: "WebClientHttpSessionID", Value: "c0ffee"})
	fmt.Fprintf(w, `{"id":%d,"params":{"keepAliveInterval":60},"result":true,"session":%s}`, id, *session)
}

// names are the accounts, in order.
func (u *unit) names() []string {
	var out []string
	for name := range u.accounts {
		out = append(out, name)
	}
	slices.Sort(out)
	return out
}
