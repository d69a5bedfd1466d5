package netguard

import (
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"runtime/debug"
	"strings"
	"time"
)

// maxRequest is more than anything that is sent to a service of this machine.
const maxRequest = 4 << 20

// Server serves h on this machine, to those only who mean it. A name in Host that is
// not of this machine was bound to its address by somebody else (DNS rebinding), and a
// page of another origin speaks through the browser of who looks at it: both are
// refused. A panic is an answer, not the end.
func Server(h http.Handler, log *slog.Logger) *http.Server {
	return limited(guard(http.MaxBytesHandler(h, maxRequest), log))
}

// OpenServer serves h to everybody. A panic is an answer, not the end.
func OpenServer(h http.Handler, log *slog.Logger) *http.Server {
	return limited(recovered(http.MaxBytesHandler(h, maxRequest), log))
}

// limited is a server that no slow or endless request holds up.
func limited(h http.Handler) *http.Server {
	return &http.Server{Handler: h, ReadHeaderTimeout: 10 * time.Second, ReadTimeout: time.Minute, WriteTimeout: 5 * time.Minute, IdleTimeout: 2 * time.Minute, MaxHeaderBytes: 64 << 10}
}

func guard(next http.Handler, log *slog.Logger) http.Handler {
	next = recovered(next, log)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'")
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("X-Frame-Options", "DENY")
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("Cross-Origin-Resource-Policy", "same-origin")
		h.Set("Cross-Origin-Opener-Policy", "same-origin")
		h.Set("Cache-Control", "no-store")
		if why := refuse(r); why != "" {
			http.Error(w, why, http.StatusForbidden)
			return
		}
		next.ServeHTTP(w, r)
	})
}

func recovered(next http.Handler, log *slog.Logger) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer func() {
			v := recover()
			if v == nil {
				return
			}
			if v == http.ErrAbortHandler {
				panic(v)
			}
			log.Error("a request could not be answered", "path", r.URL.Path, "panic", v, "stack", string(debug.Stack()))
			http.Error(w, "this could not be answered: please report the request", http.StatusInternalServerError)
		}()
		next.ServeHTTP(w, r)
	})
}

// refuse says why a request is not answered, or "".
func refuse(r *http.Request) string {
	host := r.Host
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	if !Loopback(strings.ToLower(strings.Trim(host, "[]"))) {
		return "the Host of a request to this machine is 127.0.0.1 or localhost"
	}
	for _, origin := range r.Header.Values("Origin") {
		if u, err := url.Parse(origin); err != nil || u.Scheme != "http" || !strings.EqualFold(u.Host, r.Host) {
			return "a page of another origin may ask for nothing here"
		}
	}
	switch r.Header.Get("Sec-Fetch-Site") {
	case "", "none", "same-origin":
		return ""
	}
	if r.Method == http.MethodGet && r.Header.Get("Sec-Fetch-Mode") == "navigate" && r.Header.Get("Sec-Fetch-Dest") == "document" {
		return "" // a link that somebody has followed
	}
	return "a page of another origin may ask for nothing here"
}
