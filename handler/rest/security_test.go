package rest

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"

	"golang.org/x/net/dns/dnsmessage"

	"github.com/sluice-connectors/sluice/handler/engine"
	"github.com/sluice-connectors/sluice/handler/spec"
)

func reason(err error) string {
	var e *engine.Error
	if errors.As(err, &e) {
		return e.Reason
	}
	return fmt.Sprint(err)
}

// TestNothingIsSentToAnotherOrigin: neither a redirect nor the address of a next
// page leads a request, and the credential with it, away from base_url.
func TestNothingIsSentToAnotherOrigin(t *testing.T) {
	var visits atomic.Int32
	evil := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { visits.Add(1) }))
	defer evil.Close()
	port := strings.TrimPrefix(evil.URL, "http://127.0.0.1")
	for _, to := range []string{evil.URL, "http://localhost" + port, "//127.0.0.1" + port, "http://provider.example@127.0.0.1" + port, `http:\\127.0.0.1` + port, "http://127.0.0.1" + port + "#@provider.example"} {
		s, _ := newSource(t, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Location", to+"/events")
			w.WriteHeader(http.StatusFound)
		})
		if _, err := s.Fetch(t.Context(), engine.Window{From: noon, To: noon}, ""); err == nil {
			t.Errorf("a redirect to %s was followed", to)
		}
		s, _ = newSource(t, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Link", fmt.Sprintf(`<%s/events>; rel="next"`, to))
			_, _ = io.WriteString(w, `{"data":[{"t":1}]}`)
		})
		repaged(s, spec.Paging{Type: "link_header"})
		page, err := s.Fetch(t.Context(), engine.Window{From: noon, To: noon}, "")
		if err == nil && page.Next != "" { // it may be taken for a path of the provider's own
			_, _ = s.Fetch(t.Context(), engine.Window{From: noon, To: noon}, page.Next)
		}
	}
	if n := visits.Load(); n > 0 {
		t.Errorf("%d requests went to another origin", n)
	}
}

func TestAddressesThatAreNotOnTheInternet(t *testing.T) {
	for _, x := range []struct {
		base, ip string
		private  bool
		ok       bool
	}{
		{"https://api.example", "203.0.113.7", false, true},
		{"https://api.example", "10.1.2.3", false, false},
		{"https://api.example", "10.1.2.3", true, true},
		{"https://api.example", "192.168.1.1", false, false},
		{"https://api.example", "172.16.0.1", false, false},
		{"https://api.example", "100.64.1.1", false, false},
		{"https://api.example", "fd00:ec2::254", false, false},
		{"https://api.example", "::ffff:10.0.0.1", false, false},
		{"https://api.example", "127.0.0.1", true, false},
		{"https://api.example", "::1", true, false},
		{"https://api.example", "0.0.0.0", true, false},
		{"https://api.example", "169.254.169.254", true, false},
		{"https://api.example", "fe80::1", true, false},
		{"https://10.1.2.3", "10.1.2.3", false, true},
		{"https://10.1.2.3", "10.1.2.4", false, false},
		{"http://127.0.0.1:8080", "127.0.0.1", false, true},
		{"https://169.254.169.254", "169.254.169.254", true, false},
	} {
		base, err := url.Parse(x.base)
		if err != nil {
			t.Fatal(err)
		}
		s := &Connection{base: base, opt: Options{PrivateNetwork: x.private}}
		if err := s.checkAddress(netip.MustParseAddr(x.ip).Unmap()); (err == nil) != x.ok {
			t.Errorf("%s at %s (private_network: %v): %v", x.base, x.ip, x.private, err)
		}
	}
}

// TestANameThatIsBoundAnewLeadsNowhere: a name server gives a public address
// first and the address of this machine from then on.
func TestANameThatIsBoundAnewLeadsNowhere(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	var visits atomic.Int32
	go func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			visits.Add(1)
			c.Close()
		}
	}()
	_, port, _ := net.SplitHostPort(ln.Addr().String())
	names := nameServer(t, [4]byte{203, 0, 113, 7}, [4]byte{127, 0, 0, 1})
	c, err := spec.Parse("acme.yaml", []byte(tokenConnector))
	if err != nil {
		t.Fatal(err)
	}
	s, err := open(c, &c.Streams[0], Options{BaseURL: "https://rebound.example:" + port, Settings: map[string]string{"host": "x", "key": secret}})
	if err != nil {
		t.Fatal(err)
	}
	s.dialer.Resolver = &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "udp", names)
	}}
	if _, err := s.dialer.Resolver.LookupHost(t.Context(), "rebound.example"); err != nil { // what a check beforehand would see
		t.Fatal(err)
	}
	_, err = s.Fetch(t.Context(), engine.Window{From: noon, To: noon}, "")
	if reason(err) != "private_address" || !strings.Contains(err.Error(), "private_network: true") {
		t.Errorf("error: %v", err)
	}
	if n := visits.Load(); n > 0 {
		t.Errorf("%d connections were made", n)
	}
}

// nameServer answers questions for an address: the first one differently.
func nameServer(t *testing.T, first, then [4]byte) (address string) {
	t.Helper()
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	go func() {
		buf := make([]byte, 1500)
		ip := first
		for {
			n, from, err := conn.ReadFrom(buf)
			if err != nil {
				return
			}
			var m dnsmessage.Message
			if m.Unpack(buf[:n]) != nil || len(m.Questions) == 0 {
				continue
			}
			m.Response = true
			m.Additionals = nil
			if q := m.Questions[0]; q.Type == dnsmessage.TypeA {
				m.Answers = []dnsmessage.Resource{{Header: dnsmessage.ResourceHeader{Name: q.Name, Type: q.Type, Class: q.Class}, Body: &dnsmessage.AResource{A: ip}}}
				ip = then
			}
			if out, err := m.Pack(); err == nil {
				_, _ = conn.WriteTo(out, from)
			}
		}
	}()
	return conn.LocalAddr().String()
}

// TestABombIsNotUnpacked: a response that is small on its way and endless once
// unpacked is read up to the limit, and is an error.
func TestABombIsNotUnpacked(t *testing.T) {
	var packed bytes.Buffer
	z, _ := gzip.NewWriterLevel(&packed, gzip.BestCompression)
	zeros := make([]byte, 1<<20)
	for range 300 {
		_, _ = z.Write(zeros)
	}
	_ = z.Close()
	s, _ := newSource(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Encoding", "gzip")
		_, _ = w.Write(packed.Bytes())
	})
	if _, err := s.Fetch(t.Context(), engine.Window{From: noon, To: noon}, ""); reason(err) != "page_too_large" {
		t.Errorf("300 MiB in %d bytes: %v", packed.Len(), err)
	}
}

// TestACredentialInAPageTokenIsNotStored, and is in the request all the same.
func TestACredentialInAPageTokenIsNotStored(t *testing.T) {
	var asked []string
	s, _ := newSource(t, func(w http.ResponseWriter, r *http.Request) {
		asked = append(asked, r.URL.Query().Get("key"))
		w.Header().Set("Link", fmt.Sprintf(`<http://%s/base/v1/events?key=%s>; rel="next"`, r.Host, url.QueryEscape(secret)))
		_, _ = io.WriteString(w, `{"data":[{"t":1}]}`)
	})
	repaged(s, spec.Paging{Type: "link_header"})
	page, err := s.Fetch(t.Context(), engine.Window{From: noon, To: noon}, "")
	if err != nil || strings.Contains(page.Next, secret) {
		t.Fatalf("page %+v, %v", page, err)
	}
	if _, err := s.Fetch(t.Context(), engine.Window{From: noon, To: noon}, page.Next); err != nil || asked[1] != secret {
		t.Errorf("the second request has the key %q, %v", asked[1], err)
	}
}

// TestAForgedPageTokenPullsNoCredentialOut: one that looks as if it were sealed here.
func TestAForgedPageTokenPullsNoCredentialOut(t *testing.T) {
	src, _ := newSource(t, func(w http.ResponseWriter, r *http.Request) {
		if got := r.URL.Query().Get("cursor"); strings.Contains(got, secret) {
			t.Errorf("sent: %q", got)
		}
		_, _ = io.WriteString(w, `{"data":[],"meta":{"next":"\u0001key\u0001"}}`)
	})
	page, err := src.Fetch(t.Context(), window, "")
	if err == nil {
		_, err = src.Fetch(t.Context(), window, page.Next)
	}
	if err != nil {
		t.Error(err)
	}
}
