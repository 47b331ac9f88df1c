package sim

import "encoding/json"

// rpcMethods are the methods of a session.
func rpcMethods() []string {
	return []string{
		"configManager.getConfig", "configManager.getDefault", "configManager.restore", "configManager.restoreExcept",
		"configManager.setConfig", "global.keepAlive", "global.logout", "magicBox.getDeviceType", "magicBox.getSerialNo",
		"magicBox.getSoftwareVersion", "magicBox.getUpTime", "magicBox.reboot", "magicBox.resetSystem", "system.listMethod",
		"system.multicall", "userManager.addUser", "userManager.deleteUser", "userManager.getUserInfo",
		"userManager.getUserInfoAll", "userManager.modifyPassword",
	}
}

// rpcMulticall answers several calls in one.
func (w dahua) rpcMulticall(q rpcRequest, id string, s *session) rpcAnswer {
	var calls []rpcRequest
	if json.Unmarshal(q.Params, &calls) != nil || len(calls) > 64 {
		return rpcError(codeBadParameter, "Component error: bad parameter!")
	}
	var all []any
	for _, c := range calls {
		if c.Method == "system.multicall" {
			return rpcError(codeBadParameter, "Component error: bad parameter!")
		}
		a := w.rpcCall(c, id, s)
		one := map[string]any{"result": a.result, "params": a.params, "id": c.ID}
		if a.code != 0 {
			one["error"] = map[string]any{"code": a.code, "message": a.text}
		}
		all = append(all, one)
	}
	return rpcOK(all)
}

// rpcUsers answers userManager's methods.
func (w dahua) rpcUsers(q rpcRequest, u *user) rpcAnswer {
	denied := rpcError(codeNoAuthority, "Component error: no authority!")
	bad := rpcError(codeBadParameter, "Component error: bad parameter!")
	var p struct {
		Name string `json:"name"`
		New  string `json:"pwd"`
		Old  string `json:"pwdOld"`
		User struct {
			Name, Password, Group, Memo string
			Reserved                    bool
		} `json:"user"`
	}
	if len(q.Params) > 0 && json.Unmarshal(q.Params, &p) != nil {
		return bad
	}
	f := w.front()
	show := func(i int) map[string]any {
		x := f.users[i]
		return map[string]any{"Id": i + 1, "Name": x.name, "Group": x.group, "Memo": x.memo, "Reserved": x.reserved, "Sharable": true}
	}
	switch q.Method {
	case "userManager.getUserInfoAll":
		users := []any{}
		for i := range f.users {
			if !f.users[i].hidden {
				users = append(users, show(i))
			}
		}
		return rpcOK(map[string]any{"users": users})
	case "userManager.getUserInfo":
		for i := range f.users {
			if f.users[i].name == p.Name && !f.users[i].hidden {
				return rpcOK(map[string]any{"user": show(i)})
			}
		}
		return bad
	case "userManager.modifyPassword":
		switch w.changePassword(u, p.Name, p.New, p.Old) {
		case changeOK:
			return rpcOK(nil)
		case changeForbidden:
			return denied
		}
		return bad
	case "userManager.addUser":
		x := user{name: p.User.Name, password: p.User.Password, group: p.User.Group, memo: p.User.Memo, reserved: p.User.Reserved}
		return userChange(w.addUser(u, x), denied, bad)
	case "userManager.deleteUser":
		return userChange(w.deleteUser(u, p.Name), denied, bad)
	}
	return rpcError(codeNoMethod, "Component error: no method or no right!")
}

func userChange(c change, denied, bad rpcAnswer) rpcAnswer {
	switch c {
	case changeOK:
		return rpcOK(nil)
	case changeForbidden:
		return denied
	}
	return bad
}
