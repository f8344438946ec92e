//! Decoding of Motion JPEG frames of webcams.
//!
//! Such frames differ from JPEG files in two ways. Many frames omit the Huffman tables; the tables
//! of annex K of the JPEG standard (ITU-T T.81) then apply. The buffer may contain bytes after the
//! end of the image.
//!
//! A frame without an end marker is truncated and is rejected. The loss of bytes before the end
//! marker cannot always be detected; such a frame is decoded with grey areas.

use std::borrow::Cow;

use zune_jpeg::JpegDecoder;
use zune_jpeg::zune_core::bytestream::ZCursor;
use zune_jpeg::zune_core::colorspace::ColorSpace;
use zune_jpeg::zune_core::options::DecoderOptions;

use super::{FrameError, Picture};

/// Decodes a frame of `width` × `height` pixels.
///
/// # Errors
/// If the frame is truncated, damaged or of another size.
pub(super) fn decode(bytes: &[u8], width: u32, height: u32) -> Result<Picture, FrameError> {
    let mjpg_error = |reason: String| FrameError(format!("MJPG: {reason}"));
    // A truncated frame is rejected here, because the decoder would fill it with grey.
    let end = bytes.windows(2).rposition(|pair| pair == [0xFF, EOI]);
    let Some(end) = end else {
        return Err(mjpg_error(format!("no end marker in {} bytes", bytes.len())));
    };
    let bytes = with_huffman_tables(&bytes[..end + 2]);
    let options = DecoderOptions::default()
        .set_strict_mode(true)
        .set_max_width(width as usize)
        .set_max_height(height as usize)
        .jpeg_set_out_colorspace(ColorSpace::RGB);
    let mut decoder = JpegDecoder::new_with_options(ZCursor::new(bytes.as_ref()), options);
    decoder.decode_headers().map_err(|err| mjpg_error(err.to_string()))?;
    if decoder.dimensions() != Some((width as usize, height as usize)) {
        return Err(mjpg_error(format!("size is not {width}x{height} pixels")));
    }
    let rgb = decoder.decode().map_err(|err| mjpg_error(err.to_string()))?;
    Picture::new(width, height, rgb).map_err(|err| mjpg_error(err.to_string()))
}

// Second bytes of the JPEG markers for start of image, end of image, start of scan and Huffman
// table.
const SOI: u8 = 0xD8;
const EOI: u8 = 0xD9;
const SOS: u8 = 0xDA;
const DHT: u8 = 0xC4;

/// Returns the frame with its own Huffman tables, or with the standard tables if it has none.
fn with_huffman_tables(jpeg: &[u8]) -> Cow<'_, [u8]> {
    if !jpeg.starts_with(&[0xFF, SOI]) || segment_markers(jpeg).any(|marker| marker == DHT) {
        return Cow::Borrowed(jpeg);
    }
    let mut complete = Vec::with_capacity(jpeg.len() + 512);
    complete.extend([0xFF, SOI]);
    for (class_and_id, lengths, values) in [
        (0x00, &DC_LUMA_LENGTHS, &DC_VALUES[..]),
        (0x10, &AC_LUMA_LENGTHS, &AC_LUMA_VALUES[..]),
        (0x01, &DC_CHROMA_LENGTHS, &DC_VALUES[..]),
        (0x11, &AC_CHROMA_LENGTHS, &AC_CHROMA_VALUES[..]),
    ] {
        let length =
            u8::try_from(2 + 1 + 16 + values.len()).expect("a table has at most 162 values");
        complete.extend([0xFF, DHT, 0, length, class_and_id]);
        complete.extend(lengths);
        complete.extend(values);
    }
    complete.extend(&jpeg[2..]);
    Cow::Owned(complete)
}

/// Returns the markers of the segments before the scan.
fn segment_markers(jpeg: &[u8]) -> impl Iterator<Item = u8> + '_ {
    let mut rest = &jpeg[2..];
    std::iter::from_fn(move || {
        let [0xFF, marker, high, low, ..] = *rest else { return None };
        let length = usize::from(u16::from_be_bytes([high, low]));
        rest = rest.get(2 + length..).unwrap_or_default();
        (marker != SOS).then_some(marker)
    })
}

// Huffman tables (ITU-T T.81, tables K.3 to K.6). The lengths are the numbers of codes of 1, 2, …
// 16 bits; the values are those of the codes.
const DC_LUMA_LENGTHS: [u8; 16] = [0, 1, 5, 1, 1, 1, 1, 1, 1, 0, 0, 0, 0, 0, 0, 0];
const DC_CHROMA_LENGTHS: [u8; 16] = [0, 3, 1, 1, 1, 1, 1, 1, 1, 1, 1, 0, 0, 0, 0, 0];
const DC_VALUES: [u8; 12] = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11];
const AC_LUMA_LENGTHS: [u8; 16] = [0, 2, 1, 3, 3, 2, 4, 3, 5, 5, 4, 4, 0, 0, 1, 125];
const AC_CHROMA_LENGTHS: [u8; 16] = [0, 2, 1, 2, 4, 4, 3, 4, 7, 5, 4, 4, 0, 1, 2, 119];
#[rustfmt::skip]
const AC_LUMA_VALUES: [u8; 162] = [
    0x01, 0x02, 0x03, 0x00, 0x04, 0x11, 0x05, 0x12, 0x21, 0x31, 0x41, 0x06, 0x13, 0x51, 0x61, 0x07,
    0x22, 0x71, 0x14, 0x32, 0x81, 0x91, 0xa1, 0x08, 0x23, 0x42, 0xb1, 0xc1, 0x15, 0x52, 0xd1, 0xf0,
    0x24, 0x33, 0x62, 0x72, 0x82, 0x09, 0x0a, 0x16, 0x17, 0x18, 0x19, 0x1a, 0x25, 0x26, 0x27, 0x28,
    0x29, 0x2a, 0x34, 0x35, 0x36, 0x37, 0x38, 0x39, 0x3a, 0x43, 0x44, 0x45, 0x46, 0x47, 0x48, 0x49,
    0x4a, 0x53, 0x54, 0x55, 0x56, 0x57, 0x58, 0x59, 0x5a, 0x63, 0x64, 0x65, 0x66, 0x67, 0x68, 0x69,
    0x6a, 0x73, 0x74, 0x75, 0x76, 0x77, 0x78, 0x79, 0x7a, 0x83, 0x84, 0x85, 0x86, 0x87, 0x88, 0x89,
    0x8a, 0x92, 0x93, 0x94, 0x95, 0x96, 0x97, 0x98, 0x99, 0x9a, 0xa2, 0xa3, 0xa4, 0xa5, 0xa6, 0xa7,
    0xa8, 0xa9, 0xaa, 0xb2, 0xb3, 0xb4, 0xb5, 0xb6, 0xb7, 0xb8, 0xb9, 0xba, 0xc2, 0xc3, 0xc4, 0xc5,
    0xc6, 0xc7, 0xc8, 0xc9, 0xca, 0xd2, 0xd3, 0xd4, 0xd5, 0xd6, 0xd7, 0xd8, 0xd9, 0xda, 0xe1, 0xe2,
    0xe3, 0xe4, 0xe5, 0xe6, 0xe7, 0xe8, 0xe9, 0xea, 0xf1, 0xf2, 0xf3, 0xf4, 0xf5, 0xf6, 0xf7, 0xf8,
    0xf9, 0xfa,
];
#[rustfmt::skip]
const AC_CHROMA_VALUES: [u8; 162] = [
    0x00, 0x01, 0x02, 0x03, 0x11, 0x04, 0x05, 0x21, 0x31, 0x06, 0x12, 0x41, 0x51, 0x07, 0x61, 0x71,
    0x13, 0x22, 0x32, 0x81, 0x08, 0x14, 0x42, 0x91, 0xa1, 0xb1, 0xc1, 0x09, 0x23, 0x33, 0x52, 0xf0,
    0x15, 0x62, 0x72, 0xd1, 0x0a, 0x16, 0x24, 0x34, 0xe1, 0x25, 0xf1, 0x17, 0x18, 0x19, 0x1a, 0x26,
    0x27, 0x28, 0x29, 0x2a, 0x35, 0x36, 0x37, 0x38, 0x39, 0x3a, 0x43, 0x44, 0x45, 0x46, 0x47, 0x48,
    0x49, 0x4a, 0x53, 0x54, 0x55, 0x56, 0x57, 0x58, 0x59, 0x5a, 0x63, 0x64, 0x65, 0x66, 0x67, 0x68,
    0x69, 0x6a, 0x73, 0x74, 0x75, 0x76, 0x77, 0x78, 0x79, 0x7a, 0x82, 0x83, 0x84, 0x85, 0x86, 0x87,
    0x88, 0x89, 0x8a, 0x92, 0x93, 0x94, 0x95, 0x96, 0x97, 0x98, 0x99, 0x9a, 0xa2, 0xa3, 0xa4, 0xa5,
    0xa6, 0xa7, 0xa8, 0xa9, 0xaa, 0xb2, 0xb3, 0xb4, 0xb5, 0xb6, 0xb7, 0xb8, 0xb9, 0xba, 0xc2, 0xc3,
    0xc4, 0xc5, 0xc6, 0xc7, 0xc8, 0xc9, 0xca, 0xd2, 0xd3, 0xd4, 0xd5, 0xd6, 0xd7, 0xd8, 0xd9, 0xda,
    0xe2, 0xe3, 0xe4, 0xe5, 0xe6, 0xe7, 0xe8, 0xe9, 0xea, 0xf2, 0xf3, 0xf4, 0xf5, 0xf6, 0xf7, 0xf8,
    0xf9, 0xfa,
];

#[cfg(test)]
mod tests {
    use image::ExtendedColorType;
    use image::codecs::jpeg::JpegEncoder;
    use proptest::prelude::*;

    use super::*;

    const SIDES: (u32, u32) = (96, 64);

    /// Returns a picture with smooth and detailed parts, so that many Huffman codes occur.
    fn picture() -> Picture {
        let (width, height) = SIDES;
        let rgb = (0..height)
            .flat_map(|y| (0..width).map(move |x| (x, y)))
            .flat_map(|(x, y)| {
                let detail = if x > width / 2 { (x * 37 + y * 91) % 97 } else { 0 };
                [(x * 2 + detail) as u8, (y * 3) as u8, (x + y + detail) as u8]
            })
            .collect();
        Picture::new(width, height, rgb).unwrap()
    }

    fn jpeg() -> Vec<u8> {
        let mut bytes = Vec::new();
        JpegEncoder::new_with_quality(&mut bytes, 90)
            .encode(picture().rgb(), SIDES.0, SIDES.1, ExtendedColorType::Rgb8)
            .unwrap();
        bytes
    }

    fn without_huffman_tables(jpeg: &[u8]) -> Vec<u8> {
        let (mut stripped, mut start) = (jpeg[..2].to_vec(), 2);
        loop {
            let marker = jpeg[start + 1];
            let length = 2 + usize::from(u16::from_be_bytes([jpeg[start + 2], jpeg[start + 3]]));
            if marker == SOS {
                stripped.extend(&jpeg[start..]);
                return stripped;
            }
            if marker != DHT {
                stripped.extend(&jpeg[start..start + length]);
            }
            start += length;
        }
    }

    fn decoded(bytes: &[u8]) -> Result<Picture, FrameError> {
        decode(bytes, SIDES.0, SIDES.1)
    }

    #[test]
    fn decoded_frame_resembles_encoded_picture() {
        let (found, expected) = (decoded(&jpeg()).unwrap(), picture());
        let pairs = found.rgb().iter().zip(expected.rgb());
        let difference: u32 = pairs.map(|(a, b)| u32::from(a.abs_diff(*b))).sum();
        assert!(difference / (found.rgb().len() as u32) < 8, "{difference}");
    }

    #[test]
    fn frame_without_huffman_tables_decodes_the_same() {
        let (complete, stripped) = (jpeg(), without_huffman_tables(&jpeg()));
        assert!(stripped.len() + 400 < complete.len(), "the tables were not removed");
        assert_eq!(decoded(&stripped).unwrap(), decoded(&complete).unwrap());
    }

    #[test]
    fn bytes_after_end_marker_are_ignored() {
        let mut padded = jpeg();
        padded.extend([0; 5000]);
        assert_eq!(decoded(&padded).unwrap(), decoded(&jpeg()).unwrap());
    }

    #[test]
    fn truncated_frame_is_rejected() {
        let frame = jpeg();
        for end in (0..frame.len()).step_by(7).chain([frame.len() - 1]) {
            let err = decoded(&frame[..end]).unwrap_err();
            assert!(err.to_string().starts_with("MJPG: "), "{end}: {err}");
        }
    }

    #[test]
    fn frame_of_another_size_is_rejected() {
        for (width, height) in [(95, 64), (96, 63), (97, 64), (96, 65)] {
            let err = decode(&jpeg(), width, height).unwrap_err();
            assert!(err.to_string().starts_with("MJPG: "), "{err}");
        }
    }

    #[test]
    fn grey_frame_decodes_to_grey() {
        let mut bytes = Vec::new();
        JpegEncoder::new_with_quality(&mut bytes, 95)
            .encode(&[77; 16 * 16], 16, 16, ExtendedColorType::L8)
            .unwrap();
        let decoded = decode(&bytes, 16, 16).unwrap();
        assert!(decoded.rgb().iter().all(|level| level.abs_diff(77) <= 1));
    }

    proptest! {
        #[test]
        fn random_bytes_are_rejected_without_panic(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
            let framed = [&[0xFF, SOI][..], &bytes, &[0xFF, EOI]].concat();
            prop_assert!(decode(&bytes, 16, 16).is_err());
            prop_assert!(decode(&framed, 16, 16).is_err());
        }

        #[test]
        fn flipped_bytes_cause_no_panic(
            flips in prop::collection::vec((any::<prop::sample::Index>(), 1u8..), 1..8),
        ) {
            let mut bytes = jpeg();
            for (index, flip) in flips {
                let position = index.index(bytes.len());
                bytes[position] ^= flip;
            }
            if let Err(err) = decoded(&bytes) {
                prop_assert!(err.to_string().starts_with("MJPG: "));
            }
        }
    }
}
