// Package audit keeps the record of what the gateway asked of AWS and what it
// told its clients: an append-only file of JSON lines, each with the hash of the
// one before.
//
// It is the only door by which a write goes out and an answer goes back: an
// [Intent] is durable before the first byte of a write leaves, its outcome and
// the [Journal.Answer] before the first byte of the answer. Records that arrive
// together share one write and one sync; reads ride with the next batch. When a
// record can't be made durable, its door says so, and every later one too until another
// file has been begun.
//
// It judges nothing, sends nothing and logs nothing. Begin with [Open] and the doors in
// journal.go; commit.go has the group commit, segment.go the change of files, takeup.go
// what a start reads, chain.go the reading of a log, which both [Open] and [VerifyFile] use.
//
// # What a log looks like after a crash
//
// A line that was cut off stays in the file, and so does what lost pages left
// behind. It is ended by a line break and followed by a record of kind gap, event
// torn, whose findings are the number of those bytes, line breaks included, and
// their SHA-256. The chain goes on from the last whole record to the gap. Nothing
// is ever cut from a log. A last record that only lacks its line break gets one.
package audit
