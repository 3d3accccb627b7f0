package witness

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// Record is what the checks read of a line of the audit log.
type Record struct {
	Seq      uint64    `json:"seq"`
	Time     time.Time `json:"time"`
	Kind     string    `json:"kind"`
	Event    string    `json:"event"`
	Exchange string    `json:"exchange"`
	Call     int       `json:"call"`
	Op       string    `json:"op"`
	Method   string    `json:"method"`
	Path     string    `json:"path"`
	Resource string    `json:"resource"`
	Sent     string    `json:"sent"`
	Findings []string  `json:"findings"`
	Outcome  string    `json:"outcome"`
	Status   int       `json:"status"`
	Reply    int       `json:"reply"`
	AWSID    string    `json:"awsRequestId"`
	Revokes  bool      `json:"revokes"`
	Fence    uint64    `json:"fence"`
	Basis    string    `json:"basis"`
	Prev     string    `json:"prev"`
}

// Line is one line of the log, over all of its segments.
type Line struct {
	Text    string // without its line feed
	Torn    bool   // it is no record
	Ended   bool   // it has a line feed
	Segment int
	End     int64 // how long the log was with it, over all segments
	Record
}

// Log is a log that was read, with the files that it is in.
type Log struct {
	Lines []Line
	files []os.FileInfo
	base  []int64 // where each begins
}

// ReadLog reads FILE.000000000001 and so on, then FILE.
func ReadLog(path string) (*Log, error) {
	names, err := segments(path)
	if err != nil {
		return nil, err
	}
	l := &Log{}
	at := int64(0)
	for i, name := range names {
		text, err := os.ReadFile(name)
		if err != nil {
			return nil, fmt.Errorf("cannot read the audit log: %w", err)
		}
		info, err := os.Stat(name)
		if err != nil {
			return nil, fmt.Errorf("cannot read the audit log: %w", err)
		}
		l.files, l.base = append(l.files, info), append(l.base, at)
		for len(text) > 0 {
			line, rest, ended := bytes.Cut(text, []byte{'\n'})
			at += int64(len(text) - len(rest))
			l.Lines = append(l.Lines, lineOf(string(line), ended, i, at))
			text = rest
		}
	}
	return l, nil
}

func lineOf(text string, ended bool, segment int, end int64) Line {
	l := Line{Text: text, Ended: ended, Segment: segment, End: end}
	if err := json.Unmarshal([]byte(text), &l.Record); err != nil || l.Seq == 0 {
		l.Torn, l.Record = true, Record{}
	}
	return l
}

// Parse reads a line that was made up.
func Parse(text string, segment int, end int64) Line { return lineOf(text, true, segment, end) }

// segments are the files of a log, oldest first.
func segments(path string) ([]string, error) {
	entries, err := os.ReadDir(filepath.Dir(path))
	if err != nil {
		return nil, fmt.Errorf("cannot list the audit log: %w", err)
	}
	var names []string
	for _, e := range entries {
		number, found := strings.CutPrefix(e.Name(), filepath.Base(path)+".")
		if found && len(number) == 12 && strings.Trim(number, "0123456789") == "" {
			names = append(names, filepath.Join(filepath.Dir(path), e.Name()))
		}
	}
	slices.Sort(names)
	return append(names, path), nil
}

// Mark is how long a log was at a moment.
type Mark struct {
	file os.FileInfo
}

// Look notes how long a log is now. Between two segments its name is gone for a moment.
func Look(path string) Mark {
	for range 1000 {
		info, err := os.Stat(path)
		if err == nil {
			return Mark{info}
		}
		if !errors.Is(err, fs.ErrNotExist) {
			break
		}
		time.Sleep(100 * time.Microsecond)
	}
	return Mark{}
}

// At is how long the log was, over all of its segments; -1 if that isn't known.
func (l *Log) At(m Mark) int64 {
	if m.file == nil {
		return -1
	}
	for i := len(l.files) - 1; i >= 0; i-- {
		if os.SameFile(l.files[i], m.file) {
			return l.base[i] + m.file.Size()
		}
	}
	return -1
}

// Leavers is the list of open deactivations.
type Leavers struct {
	Ever map[string]bool // by id: was put on the list since the file was made anew
	Open map[string]bool
}

// ReadLeavers reads the list; no file is an empty one.
func ReadLeavers(path string) (Leavers, error) {
	l := Leavers{Ever: map[string]bool{}, Open: map[string]bool{}}
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return l, nil
	}
	if err != nil {
		return l, fmt.Errorf("cannot read the list of open deactivations: %w", err)
	}
	for line := range strings.Lines(string(text)) {
		var entry struct {
			Open, Closed *struct{ ID string }
		}
		if err := json.Unmarshal([]byte(line), &entry); err != nil {
			return l, fmt.Errorf("cannot read the list of open deactivations: %w", err)
		}
		if entry.Open != nil {
			l.Ever[entry.Open.ID], l.Open[entry.Open.ID] = true, true
		}
		if entry.Closed != nil {
			delete(l.Open, entry.Closed.ID)
		}
	}
	return l, nil
}
