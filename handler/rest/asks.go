package rest

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"strings"

	"github.com/sluice-connectors/sluice/handler/spec"
)

// Asks is a fingerprint of what page tokens depend on: the requests of a stream, and
// the settings that go into them, but no secret. A page number says nothing after the
// page's size has changed, and a cursor goes on with the filter that it was made with.
// It is "" for a stream that goes by cursor and could not be found again by time: its
// cursor is not given up.
func (r *Source) Asks() string {
	s := r.s
	text, err := json.Marshal([]any{s.Request, s.Job, s.Paging, s.Records, s.Explode, s.Steps, s.Position.Bounds, s.Position.Granularity, r.part})
	if err != nil {
		return ""
	}
	if s.Position.Type == "cursor" && !strings.Contains(string(text), "{window.") {
		return ""
	}
	var tree any
	if err := json.Unmarshal(text, &tree); err != nil {
		return ""
	}
	settings := map[string]string{}
	for _, m := range spec.Placeholder.FindAllStringSubmatch(string(text), -1) {
		if v, ok := r.opt.Settings[m[1]]; ok {
			settings[m[1]] = v
		}
	}
	for _, name := range r.c.Secrets() {
		delete(settings, name)
	}
	text, _ = json.Marshal([]any{pruned(tree), settings})
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:8])
}

// pruned is a tree without what is empty, so that a key that a later version knows
// changes nothing where it is not used.
func pruned(tree any) any {
	switch t := tree.(type) {
	case map[string]any:
		for k, v := range t {
			if v = pruned(v); v == nil {
				delete(t, k)
			} else {
				t[k] = v
			}
		}
		if len(t) > 0 {
			return t
		}
	case []any:
		for i := range t {
			t[i] = pruned(t[i])
		}
		if len(t) > 0 {
			return t
		}
	case string:
		if t != "" {
			return t
		}
	case float64:
		if t != 0 {
			return t
		}
	case bool:
		if t {
			return t
		}
	}
	return nil
}
