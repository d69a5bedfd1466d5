package config

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/sluice-connectors/sluice/handler/nearest"
	"github.com/sluice-connectors/sluice/handler/netguard"
	"github.com/sluice-connectors/sluice/handler/schedule"
	"github.com/sluice-connectors/sluice/handler/spec"
)

var connectionName = regexp.MustCompile(`^[a-z0-9][a-z0-9._-]{0,62}$`)

// connection completes a connection; nil when its connector cannot be read. What is
// wrong with it is among the resolver's errors.
func (r *resolver) connection(path string, in *Connection) *Resolved {
	c, err := r.find(in.Connector)
	if err != nil {
		r.errorf(path+".connector", "%v", err)
		return nil
	}
	out := &Resolved{Name: cmp.Or(in.Name, c.Name), Connector: c, BaseURL: trim(in.BaseURL), Private: in.Private, Settings: map[string]string{}, Schedule: cmp.Or(in.Schedule, c.Schedule)}
	if !connectionName.MatchString(out.Name) {
		r.errorf(path+".name", "name %q has to be lower-case letters, digits, hyphens, dots and underscores", out.Name)
	}
	if out.BaseURL != "" {
		if _, err := netguard.ParseBase(out.BaseURL); err != nil {
			r.errorf(path+".base_url", "%v", err)
		}
	}
	if _, err := schedule.Parse(out.Schedule); err != nil {
		r.errorf(path+".schedule", "%v", err)
		out.Schedule = ""
	}
	out.Starts = r.starts(path, in, out.Connector)
	if out.Start, err = ParseStart(in.Start, r.now); err != nil {
		r.errorf(path+".start", "%v", err)
	} else if out.Start.After(r.now) {
		r.errorf(path+".start", "%s is in the future: it is where the first run begins, and it would collect nothing until then", in.Start)
	}
	r.settings(path, c, in.Settings, out.Settings)
	if len(out.Streams()) == 0 {
		r.errorf(path, "no stream of %s can run: give one of the settings %s", c.Name, list(needs(c)))
	}
	return out
}

func needs(c *spec.Connector) []string {
	var names []string
	for _, s := range c.Streams {
		names = append(names, s.Needs)
	}
	return names
}

// settings resolves the settings of a connection into out.
func (r *resolver) settings(path string, c *spec.Connector, in, out map[string]string) {
	var known []string
	for _, s := range c.Settings {
		known = append(known, s.Name)
	}
	for _, name := range slices.Sorted(maps.Keys(in)) {
		if c.Setting(name) == nil {
			r.errorf(path+".settings."+name, "%s has no setting %q%s", c.Name, name, nearest.Hint(name, known))
		}
	}
	for i := range c.Settings {
		r.setting(path+".settings", c, &c.Settings[i], in, out)
	}
}

// setting resolves one setting of a connection into out.
func (r *resolver) setting(path string, c *spec.Connector, s *spec.Setting, in, out map[string]string) {
	path += "." + s.Name
	text := in[s.Name]
	if text == "" {
		text = s.Default
	}
	if text == "" {
		if s.Required {
			r.errorf(path, "the setting %q of %s is missing: %s", s.Name, c.Name, cmp.Or(s.Help, s.Label))
		}
		return
	}
	value := r.resolve(path, text, s.Secret)
	if value == "" {
		return
	}
	if s.Pattern != "" && !regexp.MustCompile(s.Pattern).MatchString(value) {
		if s.Secret {
			value = "(hidden)"
		}
		r.errorf(path, "the setting %s is %q and has to match %s: %s", s.Name, value, s.Pattern, s.Help)
	}
	out[s.Name] = value
}

// starts are where the first runs of single streams begin.
func (r *resolver) starts(path string, in *Connection, c *spec.Connector) map[string]time.Time {
	starts := map[string]time.Time{}
	for _, name := range slices.Sorted(maps.Keys(in.Starts)) {
		at := path + ".starts." + name
		start, err := ParseStart(in.Starts[name], r.now)
		var names []string
		for _, s := range c.Streams {
			names = append(names, s.Name)
		}
		switch {
		case !slices.Contains(names, name):
			r.errorf(at, "%s has no stream %q%s; it has %s", c.Name, name, nearest.Hint(name, names), list(names))
		case err != nil:
			r.errorf(at, "%v", err)
		case start.After(r.now):
			r.errorf(at, "%s is in the future: it is where the first run begins, and it would collect nothing until then", in.Starts[name])
		}
		starts[name] = start
	}
	return starts
}

// ParseStart reads -24h, -7d, 2026-03-01 or an RFC 3339 time. Default: -24h.
func ParseStart(s string, now time.Time) (time.Time, error) {
	s = cmp.Or(trim(s), "-24h")
	back, past := strings.CutPrefix(s, "-")
	if d, err := spec.ParseDuration(back); err == nil && d >= 0 {
		if !past {
			return time.Time{}, fmt.Errorf("%q has no minus in front: write -%s for so long ago", s, strings.TrimPrefix(s, "+"))
		}
		return now.Add(-time.Duration(d)).UTC(), nil
	}
	for _, layout := range []string{time.RFC3339, "2006-01-02T15:04:05", time.DateOnly} {
		if t, err := time.Parse(layout, s); err == nil {
			return t.UTC(), nil
		}
	}
	return time.Time{}, fmt.Errorf("%q is no time: write -24h, -7d, 2026-03-01 or 2026-03-01T12:00:00Z", s)
}

// One resolves a single connection; settings that it lacks are taken from the
// environment.
func One(conn Connection, find Find, env Env, now time.Time) (*Resolved, error) {
	r := &resolver{find: find, env: env, now: now, owner: shared, problem: func(path, format string, args ...any) error {
		return fmt.Errorf("%s: %s", path, fmt.Sprintf(format, args...))
	}}
	c, err := find(conn.Connector)
	if err != nil {
		return nil, err
	}
	settings := maps.Clone(conn.Settings)
	if settings == nil {
		settings = map[string]string{}
	}
	for _, s := range c.Settings {
		if v, ok := env(c.EnvName(s.Name)); ok && trim(v) != "" && settings[s.Name] == "" {
			settings[s.Name] = "${env:" + c.EnvName(s.Name) + "}"
		}
	}
	conn.Settings = settings
	res := r.connection(conn.Connector, &conn)
	return res, errors.Join(r.errs[shared]...)
}
