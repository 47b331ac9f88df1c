package main

import (
	"errors"
	"io/fs"

	"resetrig/config"
	"resetrig/models"
	"resetrig/scenarios"
)

// shippedScenario is the text of a shipped scenario, and what it is called in
// errors.
func shippedScenario(name string) (data []byte, file string, ok bool) {
	data, err := scenarios.Read(name)
	return data, "scenarios/" + name + ".yaml", err == nil
}

// loadModel is the model that a bench names: a shipped one, or a file.
func loadModel(d config.DUT) (*config.Model, error) {
	if d.ModelIsFile() {
		data, err := config.ReadFile(d.Model)
		if err != nil {
			return nil, err
		}
		return config.LoadModel(d.Model, data)
	}
	data, err := models.Read(d.Model)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	return config.LoadModel("models/"+d.Model+".yaml", data)
}
