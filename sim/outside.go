package sim

import "encoding/json"

// outside answers /OutsideCmd: what a unit of the new generation tells and
// takes without a login, above all its initialisation.
func (w dahua) outside(q rpcRequest) rpcAnswer {
	f := w.front()
	bad := rpcError(codeBadParameter, "Component error: bad parameter!")
	initState := 2
	if !f.initialised {
		initState = 1
	}
	switch q.Method {
	case "DevInit.getStatus":
		return rpcOK(map[string]any{
			"AccountInit": f.initialised, "Find": "AB", "Init": initState, "PwdResetWay": 3,
		})
	case "DevInit.getDevCaps":
		return rpcOK(map[string]any{"caps": map[string]any{"DevInitVersion": "1.0", "ProtocolAgree": true}})
	case "Security.getEncryptInfo":
		return rpcOK(w.encryptInfo())
	case "DevInit.getCurrentTime", "global.getCurrentTime":
		return rpcOK(map[string]any{"time": w.deviceTime().Format(clockLayout)})
	case "DevInit.setCurrentTime", "global.setCurrentTime":
		return rpcOK(nil)
	case "DevInit.setProtocolAgree":
		var p struct {
			Enable bool `json:"ProtocolEnable"`
		}
		if json.Unmarshal(q.Params, &p) != nil || !p.Enable || f.initialised {
			return bad
		}
		f.agreed = true
		return rpcOK(nil)
	case "DevInit.account":
		return w.createAccount(q)
	case "DevInit.access":
		var p struct {
			NetAccess    *int `json:"NetAccess"`
			UpgradeCheck *int `json:"UpgradeCheck"`
		}
		if json.Unmarshal(q.Params, &p) != nil || p.NetAccess == nil || p.UpgradeCheck == nil {
			return bad
		}
		return rpcOK(nil)
	}
	return rpcError(codeNoMethod, "Component error: no method or no right!")
}

// createAccount gives an uninitialised unit its administrator's password. It
// wants the protocol agreed to first.
func (w dahua) createAccount(q rpcRequest) rpcAnswer {
	f := w.front()
	bad := rpcError(codeBadParameter, "Component error: bad parameter!")
	if f.initialised {
		return rpcError(codeNoAuthority, "Component error: no authority!")
	}
	if !f.agreed {
		return rpcError(codeNoMethod, "Component error: no method or no right!")
	}
	content, err := w.open(q.Params)
	if err != nil {
		return bad
	}
	var p struct {
		Name     string `json:"name"`
		Password string `json:"pwd"`
	}
	if json.Unmarshal(content, &p) != nil || p.Name != "admin" || !w.password(p.Password) {
		return bad
	}
	w.activate(p.Password)
	return rpcOK(nil)
}
