"""What happens in the notebook: magics, the tracking of cells, the stream to the sidebar, displays."""
