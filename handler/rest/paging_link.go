package rest

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/sluice-connectors/sluice/handler/engine"
)

// byLink follows the header Link (RFC 8288).
type byLink struct{ links }

func newByLink(p *pager, _ *paths) pages { return byLink{links{p}} }

func (w byLink) next(r *reply) (string, error) {
	link, err := linkTo(cmp.Or(w.p.paging.Rel, "next"), r.resp.Header.Values("Link"))
	if err != nil {
		return "", w.p.src.fail(engine.Transient, "unexpected_answer", "the API may have changed", errors.New("the header Link cannot be followed: "+w.p.src.foreign(err.Error(), 200)), 0)
	}
	return w.follow(r.resp, link)
}

// linkTo finds the target of a relation in Link headers (RFC 8288), "" when there is
// none. One that cannot be read, and several that lead to different places, are
// errors: a next page that is not followed would be lost.
func linkTo(rel string, headers []string) (target string, err error) {
	for _, h := range headers {
		for rest := strings.TrimLeft(h, " \t,"); rest != ""; rest = strings.TrimLeft(rest, " \t,") {
			link, params, ok := strings.Cut(strings.TrimPrefix(rest, "<"), ">")
			if !ok || rest[0] != '<' {
				if strings.Contains(strings.ToLower(rest), strings.ToLower(rel)) {
					return "", errors.New("it is not written as <address>; rel=" + rel)
				}
				break
			}
			var rels string
			if rels, rest = relations(params); !slices.ContainsFunc(strings.Fields(rels), func(s string) bool { return strings.EqualFold(s, rel) }) {
				continue
			}
			if target != "" && target != link {
				return "", fmt.Errorf("it leads to %s and to %s", target, link)
			}
			target = link
		}
	}
	return target, nil
}

// relations reads the parameters of a link: what rel says, and what follows the link.
func relations(params string) (rels, rest string) {
	found := false
	for rest = params; ; {
		if rest = strings.TrimLeft(rest, " \t"); rest == "" || rest[0] != ';' {
			if i := strings.IndexByte(rest, ','); i >= 0 {
				return rels, rest[i:]
			}
			return rels, ""
		}
		rest = strings.TrimLeft(rest[1:], " \t")
		end := strings.IndexAny(rest, "=;,")
		if end < 0 {
			return rels, ""
		}
		name, value := strings.TrimSpace(rest[:end]), ""
		if rest = rest[end:]; rest[0] == '=' {
			value, rest = paramValue(strings.TrimLeft(rest[1:], " \t"))
		}
		if strings.EqualFold(name, "rel") && !found { // RFC 8288: the first one counts
			rels, found = value, true
		}
	}
}

// paramValue reads the value of a parameter; some gateways write single quotes.
func paramValue(text string) (value, rest string) {
	if text == "" || text[0] != '"' && text[0] != '\'' {
		end := strings.IndexAny(text, ";,")
		if end < 0 {
			end = len(text)
		}
		return strings.TrimSpace(text[:end]), text[end:]
	}
	var b []byte
	for i := 1; i < len(text) && text[i] != text[0]; i++ {
		if text[i] == '\\' && i+1 < len(text) {
			i++
		}
		b, rest = append(b, text[i]), text[i+1:]
	}
	return string(b), strings.TrimPrefix(rest, text[:1])
}
