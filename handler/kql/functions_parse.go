package kql

import (
	"bytes"
	"encoding/csv"
	"encoding/xml"
	"errors"
	"io"
	"strconv"
	"strings"

	"github.com/sluice-connectors/sluice/handler/scan"
)

// The functions that read other formats: CSV, XML, CEF, paths, versions and
// command lines.

func init() {
	topic = "Other formats"
	pure("parse_csv(text:string) dynamic", parseCSV).named(nameArgument, "")
	pure("parse_xml(text:string) dynamic", parseXML).named(nameArgument, "")
	pure("parse_path(path:string) dynamic", parsePath)
	pure("parse_version(version:string) decimal", parseVersion)
	pure("parse_command_line(command:text, parser:string) dynamic", parseCommandLine)
	pure("parse_cef_dictionary(message:string) dynamic", parseCEF).in = everywhere
	built("geo_location(ip:string) dynamic", geoLocation).in = everywhere
}

// parseCSV reads the first record of CSV text.
func parseCSV(m *Runner, a []Value) Value {
	if len(a[0].S) == 0 {
		return null
	}
	r := csv.NewReader(bytes.NewReader(a[0].S))
	r.LazyQuotes, r.FieldsPerRecord = true, -1
	fields, err := r.Read()
	if err != nil {
		return m.or(null)
	}
	return m.strings(fields)
}

// strings makes an array of texts.
func (m *Runner) strings(list []string) Value {
	return m.makeJSON(func(dst []byte) []byte {
		dst = append(dst, '[')
		for i, s := range list {
			if i > 0 {
				dst = append(dst, ',')
			}
			dst = scan.AppendQuoted(dst, s)
		}
		return append(dst, ']')
	})
}

// element is an XML element on its way to JSON: attributes have @ before their
// names, text is "#text" (or the value itself, where there is nothing else),
// CDATA "#cdata-section", and elements that repeat are an array.
type element struct {
	keys   []string
	values map[string][][]byte
	text   strings.Builder
	name   string
}

func (e *element) add(key string, raw []byte) {
	if e.values == nil {
		e.values = map[string][][]byte{}
	}
	if _, ok := e.values[key]; !ok {
		e.keys = append(e.keys, key)
	}
	e.values[key] = append(e.values[key], raw)
}

func (e *element) json() []byte {
	text := strings.TrimSpace(e.text.String())
	if len(e.keys) == 0 {
		if text == "" {
			return []byte("null")
		}
		return scan.AppendQuoted(nil, text)
	}
	if text != "" {
		e.add("#text", scan.AppendQuoted(nil, text))
	}
	dst := []byte{'{'}
	for i, k := range e.keys {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = append(scan.AppendQuoted(dst, k), ':')
		if list := e.values[k]; len(list) == 1 {
			dst = append(dst, list[0]...)
		} else {
			dst = append(append(append(dst, '['), bytes.Join(list, []byte{','})...), ']')
		}
	}
	return append(dst, '}')
}

func qualified(n xml.Name) string {
	if n.Space != "" && !strings.Contains(n.Space, "/") {
		return n.Space + ":" + n.Local
	}
	return n.Local
}

// maxXMLDepth bounds how deep elements may nest.
const maxXMLDepth = 1000

// parseXML reads XML; what is none is null.
func parseXML(m *Runner, a []Value) Value {
	text := bytes.TrimSpace(a[0].S)
	if len(text) == 0 {
		return null
	}
	dec := xml.NewDecoder(bytes.NewReader(text))
	dec.Strict = true
	root := &element{}
	stack := []*element{root}
	for {
		before := dec.InputOffset()
		tok, err := dec.RawToken()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil || len(stack) > maxXMLDepth {
			return m.or(null)
		}
		top := stack[len(stack)-1]
		switch t := tok.(type) {
		case xml.StartElement:
			e := &element{name: qualified(t.Name)}
			for _, attr := range t.Attr {
				e.add("@"+qualified(attr.Name), scan.AppendQuoted(nil, attr.Value))
			}
			stack = append(stack, e)
		case xml.EndElement:
			if len(stack) == 1 || top.name != qualified(t.Name) {
				return m.or(null)
			}
			stack = stack[:len(stack)-1]
			stack[len(stack)-1].add(top.name, top.json())
		case xml.CharData:
			if bytes.HasPrefix(text[before:], []byte("<![CDATA[")) {
				top.add("#cdata-section", scan.AppendQuoted(nil, string(t)))
			} else {
				top.text.Write(t)
			}
		}
	}
	if len(stack) != 1 || len(root.keys) == 0 {
		return m.or(null)
	}
	return m.makeJSON(func(dst []byte) []byte { return append(dst, root.json()...) })
}

// parsePath takes a path of Windows, a share, Unix or a URL apart.
func parsePath(m *Runner, a []Value) Value {
	path := string(a[0].S)
	scheme, rest, ok := strings.Cut(path, "://")
	if !ok {
		scheme, rest = "", path
	}
	end := strings.LastIndexAny(rest, `/\`)
	dir, file := rest[:max(end, 0)], rest[end+1:]
	file, stream, _ := strings.Cut(file, ":") // file.txt:stream, of NTFS
	root, ext := "", ""
	if first := dir[:strings.IndexAny(dir+"/", `/\`)]; len(first) == 2 && first[1] == ':' {
		root = first
	}
	if dot := strings.LastIndexByte(file, '.'); dot >= 0 {
		ext = file[dot+1:]
	}
	name := dir[strings.LastIndexAny(dir, `/\`)+1:]
	return m.makeJSON(func(dst []byte) []byte {
		return append(dst, texts("Scheme", scheme, "RootPath", root, "DirectoryPath", dir, "DirectoryName", name, "Filename", file, "Extension", ext, "AlternateDataStreamName", stream)...)
	})
}

// parseVersion makes one number of up to four parts, so that versions compare.
func parseVersion(m *Runner, a []Value) Value {
	parts := strings.Split(strings.TrimSpace(string(a[0].S)), ".")
	if len(parts) > 4 {
		return m.or(null)
	}
	var text strings.Builder
	for i := range 4 {
		n := 0
		if i < len(parts) {
			var err error
			if n, err = strconv.Atoi(parts[i]); err != nil || n < 0 || n > 99_999_999 {
				return m.or(null)
			}
		}
		text.Write(appendPadded(nil, int64(n), 8))
	}
	digits := strings.TrimLeft(text.String(), "0")
	if digits == "" {
		digits = "0"
	}
	return m.keepText([]byte(digits))
}

// parseCommandLine splits a command line as Windows does, the one parser there is.
func parseCommandLine(m *Runner, a []Value) Value {
	if !bytes.EqualFold(a[1].S, []byte("windows")) {
		return m.or(null)
	}
	if len(bytes.TrimSpace(a[0].S)) == 0 {
		return null
	}
	return m.strings(splitCommand(string(a[0].S)))
}

// splitCommand follows CommandLineToArgvW: backslashes count only before a
// quote, where two of them are one.
func splitCommand(s string) []string {
	var args []string
	var cur strings.Builder
	inQuotes, started := false, false
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case c == '\\':
			n := 0
			for i < len(s) && s[i] == '\\' {
				n++
				i++
			}
			started = true
			if i < len(s) && s[i] == '"' {
				cur.WriteString(strings.Repeat(`\`, n/2))
				if n%2 == 1 {
					cur.WriteByte('"')
					continue
				}
			} else {
				cur.WriteString(strings.Repeat(`\`, n))
			}
			i--
		case c == '"':
			if inQuotes && i+1 < len(s) && s[i+1] == '"' {
				cur.WriteByte('"')
				i++
				continue
			}
			inQuotes, started = !inQuotes, true
		case (c == ' ' || c == '\t') && !inQuotes:
			if started {
				args = append(args, cur.String())
				cur.Reset()
				started = false
			}
		default:
			cur.WriteByte(c)
			started = true
		}
	}
	if started {
		args = append(args, cur.String())
	}
	return args
}

// parseCEF reads a message of the Common Event Format: its header fields, and
// under "Extension" its keys and values.
func parseCEF(m *Runner, a []Value) Value {
	s := string(a[0].S)
	start := strings.Index(s, "CEF:")
	if start < 0 {
		return m.or(null)
	}
	fields, rest := cefHeader(s[start+len("CEF:"):])
	if len(fields) != 7 {
		return m.or(null)
	}
	return m.makeJSON(func(dst []byte) []byte {
		header := texts("Version", fields[0], "DeviceVendor", fields[1], "DeviceProduct", fields[2], "DeviceVersion", fields[3], "DeviceEventClassID", fields[4], "Name", fields[5], "Severity", fields[6])
		dst = append(dst, header[:len(header)-1]...)
		return append(appendCEFExtension(append(dst, `,"Extension":`...), rest), '}')
	})
}

// cefHeader cuts at the bars that no backslash stands before.
func cefHeader(s string) (fields []string, rest string) {
	var cur strings.Builder
	for i := 0; i < len(s); i++ {
		switch {
		case s[i] == '\\' && i+1 < len(s) && (s[i+1] == '|' || s[i+1] == '\\'):
			i++
			cur.WriteByte(s[i])
		case s[i] == '|':
			fields = append(fields, cur.String())
			cur.Reset()
			if len(fields) == 7 {
				return fields, s[i+1:]
			}
		default:
			cur.WriteByte(s[i])
		}
	}
	return append(fields, cur.String()), ""
}

// appendCEFExtension writes key=value pairs. A value goes on until the next
// key, which is a word before an equals sign; \= and \\ are escapes.
func appendCEFExtension(dst []byte, s string) []byte {
	dst = append(dst, '{')
	var starts []int // where the keys begin, and behind each where its = is
	for i := 0; i < len(s); i++ {
		if s[i] == '\\' {
			i++
			continue
		}
		if s[i] != '=' {
			continue
		}
		k := i
		for k > 0 && s[k-1] != ' ' && s[k-1] != '=' {
			k--
		}
		if k < i && (k == 0 || s[k-1] == ' ') {
			starts = append(starts, k, i)
		}
	}
	for j := 0; j < len(starts); j += 2 {
		end := len(s)
		if j+2 < len(starts) {
			end = starts[j+2]
		}
		if j > 0 {
			dst = append(dst, ',')
		}
		value := cefUnescape.Replace(strings.TrimSpace(s[starts[j+1]+1 : end]))
		dst = scan.AppendQuoted(append(scan.AppendQuoted(dst, s[starts[j]:starts[j+1]]), ':'), value)
	}
	return append(dst, '}')
}

var cefUnescape = strings.NewReplacer(`\\`, `\`, `\=`, `=`, `\n`, "\n", `\r`, "\r")

// geoLocation is empty: the service's location data is not to be had.
func geoLocation(c *compiler, x *call, _ []code) (code, error) {
	*c.warnings = append(*c.warnings, errorAt(c.text, x.pos, "geo_location is an empty object here: only the service knows where addresses are").Error())
	return constant(Dynamic, jsonValue([]byte("{}"))), nil
}
