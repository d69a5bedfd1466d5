package auth

import (
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/sluice-connectors/sluice/handler/engine"
	"github.com/sluice-connectors/sluice/handler/spec"
)

// Secrets are the credentials of a connection. What a provider sends may echo
// them, so nothing that came from one goes into an error, a log or the store
// before it went through here.
type Secrets struct {
	mu      sync.RWMutex
	names   []string
	values  []string
	traces  []trace
	longest int
	sealer  *sealer // made of what a person gave, or by chance when that is nothing
}

// NewSecrets are those of a connector's settings.
func NewSecrets(c *spec.Connector, settings map[string]string) (*Secrets, error) {
	s, all := &Secrets{}, ""
	for _, name := range c.Secrets() {
		if v := settings[name]; v != "" {
			s.Set(name, v)
			all += name + "\x00" + v + "\x00"
		}
	}
	if all == "" {
		return s, nil
	}
	var err error
	s.sealer, err = newSealer(all, c.Name, "sluice page token")
	return s, err
}

// trace is what a credential, or a line of one, leaves in a text once other
// encodings are taken off.
type trace struct {
	plain, hex string
	base64     [3]string // by how many bytes come before it, modulo three
}

// shortest is the length below which a credential cannot be told from other text.
const shortest = 4

// Set makes a credential known, or what has become of it.
func (s *Secrets) Set(name, value string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if i := slices.Index(s.names, name); i >= 0 {
		s.values[i] = value
	} else {
		s.names, s.values = append(s.names, name), append(s.values, value)
	}
	s.traces, s.longest = nil, 0
	for _, v := range s.values {
		for _, part := range parts(v) {
			s.traces = append(s.traces, traceOf(part))
			s.longest = max(s.longest, len(part))
		}
	}
}

// parts are the texts of a credential that may be met by themselves: the whole, and
// the lines of a key in PEM, whose ends app settings write as \n.
func parts(value string) (list []string) {
	const long = 16
	lines := strings.NewReplacer(`\n`, "\n", "\r\n", "\n").Replace(value)
	for _, whole := range []string{value, lines} {
		if whole = strings.TrimSpace(whole); len(whole) >= shortest {
			list = append(list, whole)
		}
	}
	for line := range strings.Lines(lines) {
		if line = strings.TrimSpace(line); len(line) >= long && !strings.HasPrefix(line, "-----") {
			list = append(list, line)
		}
	}
	slices.Sort(list)
	return slices.Compact(list)
}

func traceOf(value string) trace {
	t := trace{plain: value, hex: hex.EncodeToString([]byte(value))}
	for before := range t.base64 {
		all := base64.RawStdEncoding.EncodeToString(append(make([]byte, before), value...))
		// The characters at its ends hold bits of its neighbours too.
		t.base64[before] = all[(before*8+5)/6 : (before+len(value))*8/6]
	}
	return t
}

// span is a part of a text, by its bytes.
type span struct{ from, to int }

// find is where a text has credentials, in order.
func (s *Secrets) find(text string) []span {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if len(s.traces) == 0 {
		return nil
	}
	var found []span
	for l := range readings(text) {
		squeezed, coded := l.take(hexDigits), l.take(base64Digits)
		for _, t := range s.traces {
			found = l.each(found, t.plain, nil)
			found = squeezed.each(found, t.hex, nil)
			for _, core := range t.base64 {
				found = coded.each(found, core, widen)
			}
		}
	}
	slices.SortFunc(found, func(a, b span) int { return a.from - b.from })
	return found
}

// Redact replaces credentials in a text, whatever encoding they are in.
func (s *Secrets) Redact(text string) string { return cover(text, s.find(text)) }

// Begin is the beginning of a text, redacted: no more of it is read than a person
// would. It is cut afterwards, so that no part of a credential is left at the end.
func (s *Secrets) Begin(text string) string {
	const read = 8 << 10
	s.mu.RLock()
	edge := s.longest * 12 // what an encoding makes of a byte, such as %255C%2575
	s.mu.RUnlock()
	if len(text) <= read+edge {
		return s.Redact(text)
	}
	found, to := s.find(text[:read+edge]), read
	for i, f := range found {
		if f.from >= to {
			found = found[:i]
			break
		}
		to = max(to, f.to)
	}
	return cover(text[:to], found)
}

// cover replaces parts of a text, which may overlap.
func cover(text string, parts []span) string {
	if len(parts) == 0 {
		return text
	}
	var out strings.Builder
	at := 0
	for _, p := range parts {
		if p.from >= at {
			out.WriteString(text[at:p.from])
			out.WriteString("***")
		}
		at = max(at, p.to)
	}
	out.WriteString(text[at:])
	return out.String()
}

// A page token is stored. One that holds a credential is stored sealed, behind a mark.
// A token of the provider's that has the mark in it is sealed too, so that none can
// pass for what was sealed here.
const mark = "\x01"

// Mask is a page token as it is stored: the same for the same token, as a listing
// that goes round in circles has to be noticed.
func (s *Secrets) Mask(token string) string {
	if !strings.Contains(token, mark) && len(s.find(token)) == 0 {
		return token
	}
	return mark + base64.RawURLEncoding.EncodeToString(s.sealing().seal(token))
}

// Unmask is a page token as the provider has named it.
func (s *Secrets) Unmask(token string) (string, error) {
	if !strings.Contains(token, mark) {
		return token, nil
	}
	sealed, err := base64.RawURLEncoding.DecodeString(strings.TrimPrefix(token, mark))
	if err == nil {
		token, err = s.sealing().open(sealed)
	}
	if err != nil {
		return "", fmt.Errorf("%w: it was sealed with other credentials", engine.ErrTokenExpired)
	}
	return token, nil
}

func (s *Secrets) sealing() *sealer {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.sealer == nil {
		s.sealer = randomSealer()
	}
	return s.sealer
}
