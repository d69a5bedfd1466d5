package connectors

import (
	_ "embed"
	"encoding/json"
	"fmt"

	"github.com/sluice-connectors/sluice/handler/spec"
)

// outlines is what has to be known of every connector to tell which of them app settings
// configure: reading all of seventy takes a second, and a function app starts often.
//
//go:embed outlines.json
var outlines []byte

// outline is a connector in outlines.json.
type outline struct {
	Name     string           `json:"name"`
	Alias    string           `json:"alias,omitempty"`
	Title    string           `json:"title"`
	Schedule string           `json:"schedule"`
	Settings []outlineSetting `json:"settings"`
	Streams  []string         `json:"streams"`
}

type outlineSetting struct {
	Name     string `json:"name"`
	Required bool   `json:"required,omitempty"`
	Secret   bool   `json:"secret,omitempty"`
}

// Outlines returns every connector, by name, with its title, schedule, settings and
// the names of its streams: Find has the rest.
func Outlines() ([]*spec.Connector, error) {
	var list []outline
	if err := json.Unmarshal(outlines, &list); err != nil {
		return nil, fmt.Errorf("connectors/outlines.json: %w; scripts/generate writes it", err)
	}
	var cs []*spec.Connector
	for _, o := range list {
		c := &spec.Connector{Name: o.Name, Alias: o.Alias, Title: o.Title, Schedule: o.Schedule}
		for _, s := range o.Settings {
			c.Settings = append(c.Settings, spec.Setting{Name: s.Name, Required: s.Required, Secret: s.Secret})
		}
		for _, name := range o.Streams {
			c.Streams = append(c.Streams, spec.Stream{Name: name})
		}
		cs = append(cs, c)
	}
	return cs, nil
}

// OutlinesOf is outlines.json for these connectors.
func OutlinesOf(cs []*spec.Connector) ([]byte, error) {
	var list []outline
	for _, c := range cs {
		o := outline{Name: c.Name, Alias: c.Alias, Title: c.Title, Schedule: c.Schedule, Settings: []outlineSetting{}}
		for _, s := range c.Settings {
			o.Settings = append(o.Settings, outlineSetting{s.Name, s.Required, s.Secret})
		}
		for _, s := range c.Streams {
			o.Streams = append(o.Streams, s.Name)
		}
		list = append(list, o)
	}
	b, err := json.MarshalIndent(list, "", "  ")
	return append(b, '\n'), err
}
