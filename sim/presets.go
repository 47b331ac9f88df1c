package sim

import "time"

// Models are the presets: each brand's generations, each as a quick model that
// boots in about 20 s and a slow one of 60 to 240 s.
func Models() []Model {
	base := Model{
		Hold:      15 * time.Second,
		LeastBoot: 18 * time.Second, MostBoot: 23 * time.Second,
		LeastWrite: 1500 * time.Millisecond, MostWrite: 4 * time.Second,
		LeastHoldUp: 300 * time.Millisecond, MostHoldUp: 1500 * time.Millisecond,
		LockTries: 5, LockWindow: 300 * time.Second, LockStatus: 401,
		DefaultAddress: "192.168.1.108",
	}
	quick := []Model{
		imouNew(base), imouOld(base), dahuaNew(base), dahuaOld(base),
		hikvisionNew(base), hikvisionOld(base), onvifModel(base), plainModel(base),
	}
	all := quick
	for _, m := range quick {
		m.Name += "-slow"
		m.LeastBoot, m.MostBoot = 60*time.Second, 240*time.Second
		m.MostWrite = 8 * time.Second
		all = append(all, m)
	}
	return all
}

// beepOf is a reset's long beep. Nobody published a frequency; piezo parts lie
// between 2 and 4 kHz.
func beepOf(hz, level float64) Beep {
	return Beep{FrequencyHz: hz, LevelDBFS: level, Least: 2 * time.Second, Most: 3 * time.Second}
}

// What units of Dahua's firmware have in common.
func dahuaQuirks(more ...string) []string {
	return append([]string{connectionClose, oneShotNonces, lockAtFirstStep, dhipNUL, dhipSeveral, resetEnvelope}, more...)
}

func dahuaOldQuirks(more ...string) []string {
	return append(dahuaQuirks(versionSpace, sessionNumber, dhipNoInit), more...)
}

func imouNew(m Model) Model {
	m.Name, m.Brand, m.Generation, m.Vendor = "imou-new", Dahua, NewGeneration, "IMOU"
	m.DeviceType, m.Hardware = "NVR1108HS-W-S2-CE", "V1.0"
	m.Firmware = "4.001.0000005.1.R,build:2022-03-25"
	m.Beep = beepOf(2730, -24)
	m.LockStatus, m.LockExtends = 403, true
	m.Ports, m.Quirks = []int{554, 37777}, dahuaQuirks()
	return m
}

func imouOld(m Model) Model {
	m.Name, m.Brand, m.Generation, m.Vendor = "imou-old", Dahua, OldGeneration, "IMOU"
	m.DeviceType, m.Hardware = "NVR1104HS-W", "1.00"
	m.Firmware = "2.212.0000.0.R,build:2013-11-14"
	m.Beep = beepOf(3120, -26)
	m.Ports, m.Quirks = []int{554, 37777}, dahuaOldQuirks()
	return m
}

// dahuaNew locks for half an hour, extended by each further try, as is said of
// most; it serves ONVIF beside its own protocols.
func dahuaNew(m Model) Model {
	m.Name, m.Brand, m.Generation, m.Vendor = "dahua-new", Dahua, NewGeneration, "Dahua"
	m.DeviceType, m.Hardware = "DHI-NVR4208-8P-4KS2", "V2.0"
	m.Firmware = "4.003.0000000.1.R,build:2023-04-11"
	m.Beep = beepOf(2900, -25)
	m.LockWindow, m.LockExtends = 30*time.Minute, true
	m.Ports, m.Quirks = []int{554, 37777}, dahuaQuirks(onvifToo)
	return m
}

// dahuaOld locks as the one recorder on which it was measured.
func dahuaOld(m Model) Model {
	m.Name, m.Brand, m.Generation, m.Vendor = "dahua-old", Dahua, OldGeneration, "Dahua"
	m.DeviceType, m.Hardware = "DHI-NVR5464", "1.00"
	m.Firmware = "3.200.0001.0.R,build:2015-06-23"
	m.Beep = beepOf(3300, -25)
	m.Ports, m.Quirks = []int{554, 37777}, dahuaOldQuirks(onvifToo)
	return m
}

func hikvisionNew(m Model) Model {
	m.Name, m.Brand, m.Generation, m.Vendor = "hikvision-new", Hikvision, NewGeneration, "HIKVISION"
	m.DeviceType, m.Hardware = "DS-7608NI-K2/8P", "0x0"
	m.Firmware = "V4.30.085,build 200916"
	m.Beep = beepOf(2400, -25)
	m.LockWindow, m.LockExtends = 30*time.Minute, true
	m.DefaultAddress = "192.168.1.64"
	m.Ports, m.Quirks = []int{554, 8000}, []string{resetNeedsReboot, isapiNamespace}
	return m
}

func hikvisionOld(m Model) Model {
	m.Name, m.Brand, m.Generation, m.Vendor = "hikvision-old", Hikvision, OldGeneration, "HIKVISION"
	m.DeviceType, m.Hardware = "DS-7608NI-SE/P", "0x0"
	m.Firmware = "V2.3.6,build 131030"
	m.Beep = beepOf(2600, -26)
	m.LockWindow = 30 * time.Minute
	m.DefaultAddress = "192.0.0.64"
	m.Accounts = []Account{{"admin", "12345", true}}
	m.Ports, m.Quirks = []int{554, 8000}, []string{realmIPCamera, connectionClose}
	return m
}

func onvifModel(m Model) Model {
	m.Name, m.Brand, m.Generation, m.Vendor = "onvif", ONVIF, OldGeneration, "Acme"
	m.DeviceType, m.Hardware = "NVR-8", "1.0"
	m.Firmware = "2.4.1,build 20210603"
	m.Beep = beepOf(3000, -25)
	m.Accounts = []Account{{"admin", "admin", true}}
	m.Ports, m.Quirks = []int{554}, []string{clock1970}
	return m
}

func plainModel(m Model) Model {
	m.Name, m.Brand, m.Generation, m.Vendor = "plain", Plain, OldGeneration, "Acme"
	m.DeviceType, m.Hardware = "BOX-1", "1.0"
	m.Firmware = "1.0.7,build 20190212"
	m.Beep = beepOf(2500, -25)
	m.Accounts = []Account{{"admin", "admin", true}}
	return m
}
