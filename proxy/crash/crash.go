// Package crash names the points at which a test may end the process, since a crash
// between two of them leaves another state each time. Without the build tag crashpoints
// there are none, and nothing of this is in the program.
package crash

// Point is a place in the code.
type Point string

// The points, in the order of a write's way.
const (
	BeforeIntent   Point = "before_intent"    // nothing is recorded yet
	AfterWrite     Point = "after_write"      // records are in the file, and not on the disk
	AfterSync      Point = "after_sync"       // records are on the disk, and nobody knows yet
	AfterFirstByte Point = "after_first_byte" // the call is out
	BeforeOutcome  Point = "before_outcome"   // AWS has answered, and the log doesn't know
	BeforeAnswer   Point = "before_answer"    // the outcome is recorded, and the answer isn't
	AfterAnswer    Point = "after_answer"     // the answer is recorded, and isn't sent
	InHandler      Point = "in_handler"       // for a panic

	SegmentMade   Point = "segment_made"   // a new file is there, under its draft's name
	SegmentClosed Point = "segment_closed" // the old one has its number, and the name is free
	SegmentPlaced Point = "segment_placed" // the new one has the name, and the directory isn't synced
)
