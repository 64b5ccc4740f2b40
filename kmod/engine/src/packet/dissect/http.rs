// SPDX-License-Identifier: GPL-2.0-only
//! The head of an HTTP/1 message at the start of a TCP payload, and TFTP packets.

/// Bytes that are searched for a header line.
pub const SEARCHED: usize = 2048;

const METHODS: [&[u8]; 9] = [
    b"GET", b"POST", b"HEAD", b"PUT", b"DELETE", b"OPTIONS", b"PATCH", b"CONNECT", b"TRACE",
];

/// A range of the payload.
pub type Part = (usize, usize);

/// The method of a request.
pub fn method(payload: &[u8]) -> Option<Part> {
    METHODS
        .iter()
        .find(|method| {
            payload
                .strip_prefix(**method)
                .is_some_and(|rest| rest.first() == Some(&b' '))
        })
        .map(|method| (0, method.len()))
}

/// The status of a response.
pub fn status(payload: &[u8]) -> Option<u16> {
    match payload {
        [
            b'H',
            b'T',
            b'T',
            b'P',
            b'/',
            b'1',
            b'.',
            _,
            b' ',
            a,
            b,
            c,
            ..,
        ] => {
            let digits = [*a, *b, *c];
            let number = digits.iter().try_fold(0_u16, |n, digit| {
                let digit = digit.is_ascii_digit().then(|| digit.wrapping_sub(b'0'))?;
                Some(n.wrapping_mul(10).wrapping_add(u16::from(digit)))
            })?;
            (number >= 100).then_some(number)
        }
        _ => None,
    }
}

/// What a request asks for.
pub fn path(payload: &[u8]) -> Option<Part> {
    let start = method(payload)?.1.checked_add(1)?;
    let rest = payload.get(start..)?;
    let len = rest
        .iter()
        .take(SEARCHED)
        .position(|b| matches!(b, b' ' | b'\r' | b'\n'))?;
    (len > 0).then_some((start, start.checked_add(len)?))
}

/// The host that a request names.
pub fn host(payload: &[u8]) -> Option<Part> {
    method(payload)?;
    let searched = payload.get(..SEARCHED).unwrap_or(payload);
    let mut at = 0;
    loop {
        let line_end = searched.get(at..)?.iter().position(|b| *b == b'\n')?;
        at = at.checked_add(line_end)?.checked_add(1)?;
        let line = searched.get(at..)?;
        if matches!(line, [b'\r' | b'\n', ..]) {
            return None;
        }
        let (name, value) = line.split_at_checked(5)?;
        if !name.eq_ignore_ascii_case(b"host:") {
            continue;
        }
        let len = value.iter().position(|b| matches!(b, b'\r' | b'\n'))?;
        let text = value.get(..len)?;
        let front = text
            .iter()
            .take_while(|b| matches!(b, b' ' | b'\t'))
            .count();
        let back = text
            .iter()
            .rev()
            .take_while(|b| matches!(b, b' ' | b'\t'))
            .count();
        let start = at.checked_add(5)?.checked_add(front)?;
        let end = at.checked_add(5)?.checked_add(len)?.checked_sub(back)?;
        return (start < end).then_some((start, end));
    }
}

/// TFTP: the name of the operation.
pub fn tftp_operation(payload: &[u8]) -> Option<&'static str> {
    Some(match payload {
        [0, 1, ..] => "read",
        [0, 2, ..] => "write",
        [0, 3, _, _, ..] => "data",
        [0, 4, _, _, ..] => "ack",
        [0, 5, _, _, ..] => "error",
        [0, 6, ..] => "oack",
        _ => return None,
    })
}

/// TFTP: string number `n` of a request: the file, the mode.
pub fn tftp_string(payload: &[u8], n: usize) -> Option<Part> {
    if !matches!(payload, [0, 1 | 2, ..]) {
        return None;
    }
    let mut start = 2_usize;
    for i in 0.. {
        let rest = payload.get(start..)?;
        let end = start.checked_add(rest.iter().take(512).position(|b| *b == 0)?)?;
        if i == n {
            return Some((start, end));
        }
        start = end.checked_add(1)?;
    }
    None
}

/// TFTP: the number of the block that is sent or acknowledged.
pub fn tftp_block(payload: &[u8]) -> Option<u16> {
    match payload {
        [0, 3 | 4, high, low, ..] => Some(u16::from_be_bytes([*high, *low])),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn part(payload: &[u8], part: Option<Part>) -> Option<&[u8]> {
        part.map(|(from, to)| &payload[from..to])
    }

    #[test]
    fn a_request_is_read() {
        let r = b"GET /a/b?c HTTP/1.1\r\nAccept: x\r\nhOST:  example.com \r\n\r\nHost: body";
        assert_eq!(part(r, method(r)), Some(&b"GET"[..]));
        assert_eq!(part(r, path(r)), Some(&b"/a/b?c"[..]));
        assert_eq!(part(r, host(r)), Some(&b"example.com"[..]));
        assert_eq!(status(r), None);
        let none = b"POST / HTTP/1.1\r\n\r\nHost: body\r\n";
        assert_eq!(host(none), None);
        for bad in [
            &b"GETX / HTTP"[..],
            b"get / HTTP",
            b"GET",
            b"",
            b"GET  HTTP/1.1\r\n",
        ] {
            assert_eq!(path(bad), None);
        }
        assert_eq!(host(b"GET / HTTP/1.1\r\nHost: cut.sho"), None);
    }

    #[test]
    fn a_response_has_a_status() {
        assert_eq!(status(b"HTTP/1.1 404 Not Found\r\n"), Some(404));
        assert_eq!(status(b"HTTP/1.0 20"), None);
        assert_eq!(status(b"HTTP/1.1 0x4 "), None);
        assert_eq!(method(b"HTTP/1.1 404 Not Found\r\n"), None);
    }

    #[test]
    fn tftp_is_read() {
        let read = b"\0\x01pxelinux.0\0octet\0";
        assert_eq!(tftp_operation(read), Some("read"));
        assert_eq!(part(read, tftp_string(read, 0)), Some(&b"pxelinux.0"[..]));
        assert_eq!(part(read, tftp_string(read, 1)), Some(&b"octet"[..]));
        assert_eq!(tftp_string(read, 2), None);
        assert_eq!(tftp_string(b"\0\x01no end", 0), None);
        assert_eq!(tftp_block(b"\0\x03\x01\x02data"), Some(0x102));
        assert_eq!(tftp_block(read), None);
        assert_eq!(tftp_operation(b"\0\x09"), None);
    }
}
